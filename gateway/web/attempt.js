/** A login attempt: which connection the page has, and what the site's page is told. */

import { ConnectionEnd } from './connection_end.js';
import { confirmed, scanned, shown } from './details.js';
import { GRANT_LIFE, Gateway } from './gateway.js';
import { KeptScene } from './kept_scene.js';
import { onLook } from './page.js';
import { PageTimer } from './page_timer.js';
import { Patience } from './patience.js';
import { PollTransport } from './poll_transport.js';
import { Reconnection } from './reconnection.js';
import { SocketTransport } from './socket_transport.js';
import { StreamTransport } from './stream_transport.js';

/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('./details.js').Shown} Shown */
/** @typedef {import('./options.js').CheckedOptions} CheckedOptions */
/** @typedef {import('./scenecast.js').Details} Details */

/** How long the gateway may take to send a scene's end, in ms. */
const EXPIRY_GRACE = 3_000;
/** The longest delay that the module waits by itself when the gateway refuses, in s. */
const MAX_RETRY_DELAY = 30;
/** The problem codes that mean that the scene is gone. */
const GONE_CODES = new Set(['scene_expired', 'key_invalid']);
/** The states in which a kept scene can still log the page in. */
const USABLE_STATES = new Set(['open', 'scanned', 'confirmed']);
/** The problem of a page that has no transport left. */
const UNSUPPORTED = { code: 'browser_unsupported', detail: 'This page can’t connect to the gateway in any way' };

/**
 * @template {keyof Details} Type
 * @typedef {((event: CustomEvent<Details[Type]>) => void) | { handleEvent(event: CustomEvent<Details[Type]>): void }} Listener
 */

/** A login attempt. Its events are `CustomEvent`s; see `Details`. */
export class Attempt extends EventTarget {
  #gateway;
  #patience = new Patience();
  /** What is wrong with the options. @type {import('./connection_end.js').Problem | null} */
  #optionProblem;
  /** @type {Reconnection<SocketTransport | StreamTransport | PollTransport>} */
  #reconnection;
  /** The transport of the current connection. @type {SocketTransport | StreamTransport | PollTransport | undefined} */
  #transport;
  /** The body of the call that opens a scene. */
  #request;
  /**
   * The scene that the page shows, if there is one. `expires` is by `performance.now()`, which nobody can set.
   *
   * @type {{ id: string, key: string, seq: number, expires: number } | null}
   */
  #scene = null;
  /** Where the scene is kept for a reload, if the site wants that. @type {KeptScene | null} */
  #kept = null;
  /**
   * What the page showed before it was reloaded, until the gateway says that the scene is still good.
   *
   * @type {Shown | null}
   */
  #shownBefore = null;
  /** Whether the attempt has not ended. */
  #isActive = false;
  /** Whether the page got `offline` or `trouble`, and no `online` since. */
  #isOffline = false;
  /** Aborts the current connection, its listeners, and its timer. */
  #connection = new AbortController();
  #timer = new PageTimer();

  /** @param {CheckedOptions} options */
  constructor({ request, api, keepOnReload, problem }) {
    super();
    this.#request = request;
    this.#optionProblem = problem;
    this.#gateway = new Gateway(api, this.#patience, request.locale);
    const transports = [
      ...(SocketTransport.supported ? [new SocketTransport(this.#gateway, this.#request)] : []),
      ...(StreamTransport.supported ? [new StreamTransport(this.#gateway)] : []),
      ...(PollTransport.supported ? [new PollTransport(this.#gateway)] : []),
    ];
    this.#reconnection = new Reconnection(transports, this.#patience);
    if (keepOnReload) this.#kept = new KeptScene(api, this.#request);
    this.#begin();
  }

  /**
   * As of any `EventTarget`, and a type checker refuses events that there are not.
   *
   * @override
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Listener<Type> | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  /**
   * @override
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Listener<Type> | null} listener
   * @param {boolean | EventListenerOptions} [options]
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  /** Goes on with the scene that the page showed before it was reloaded, or opens one. */
  #begin() {
    const kept = this.#kept?.load();
    if (!kept) return this.renew();
    this.#scene = { ...kept.scene, seq: 0, expires: Infinity };
    this.#shownBefore = kept.shown;
    this.#start();
  }

  /** What is left of the shown scene's life, in seconds; 0 without one. */
  get remaining() {
    if (!this.#scene || this.#shownBefore) return 0;
    return Math.max(0, this.#scene.expires - performance.now()) / 1000;
  }

  /** Opens a new scene in place of the last one. */
  renew() {
    this.#cancelScene();
    this.#start();
  }

  #start() {
    this.#isActive = true;
    this.#reconnection.reset();
    if (!this.#optionProblem) return this.#connectAnew();
    // The page has yet to add its listeners.
    const problem = this.#optionProblem;
    queueMicrotask(() => this.#isActive && this.#end('problem', problem));
  }

  /** Connects at once, if the page is `offline` and would wait. */
  reconnect() {
    if (this.#isActive && this.#isOffline) this.#connectAnew();
  }

  /** Cancels the login. */
  cancel() {
    if (!this.#isActive) return;
    this.#cancelScene();
    this.#end('cancelled', {});
  }

  #cancelScene() {
    if (this.#scene) this.#gateway.cancel(this.#scene);
    this.#forgetScene();
  }

  #forgetScene() {
    this.#scene = null;
    this.#shownBefore = null;
    this.#kept?.remove();
  }

  /** Connects when the network may be back. */
  #connectAnew() {
    this.#patience.shrink();
    this.#connect();
  }

  #connect() {
    const signal = this.#resetConnection();
    if (!this.#scene && document.visibilityState !== 'visible') {
      document.addEventListener('visibilitychange', () => this.#connectAnew(), { once: true, signal });
      return;
    }
    this.#onLeave(signal);
    onLook(() => this.#look(), signal);
    this.#timer.set(Infinity, () => {}, () => this.#look());
    this.#run(signal).then((end) => signal.aborted || this.#connectionEnded(end));
  }

  /** Finds out soon whether the connection works: it may be dead, or the network may be back. */
  #look() {
    if (!this.#patience.isWaiting) return this.#transport?.look();
    // Otherwise the connection has no more time than its network needs.
    if (!this.#patience.hasGrown) return;
    this.#patience.shrink();
    this.#timer.set(this.#patience.left, () => this.#connect(), () => this.#look());
  }

  /**
   * Gives the scene up when the user leaves the page, so that the phone is told. If the browser keeps the page and the
   * user comes back to it, it gets another one.
   *
   * @param {AbortSignal} signal
   */
  #onLeave(signal) {
    const leave = () => {
      if (this.#kept?.isStored) return;
      this.#cancelScene();
      this.#isOffline = false;
      const next = this.#resetConnection();
      window.addEventListener('pageshow', () => this.#start(), { once: true, signal: next });
    };
    window.addEventListener('pagehide', leave, { once: true, signal });
  }

  /**
   * Handles messages from the gateway until the connection ends.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<ConnectionEnd>}
   */
  async #run(signal) {
    const transport = this.#reconnection.begin();
    this.#transport = transport;
    if (!transport) return ConnectionEnd.refused(UNSUPPORTED);
    const onMessage = (/** @type {Message} */ message) => {
      if (signal.aborted) return;
      this.#patience.messageReceived();
      this.#reconnection.messageReceived();
      this.#handle(message);
    };
    try {
      const scene = this.#scene ?? (transport.canOpen ? null : await this.#open(signal));
      this.#patience.waitForFirst(Boolean(scene));
      // A transport that can't open a scene has got one.
      return await transport.run(/** @type {import('./gateway.js').Scene} */ (scene), onMessage, signal);
    } catch (broken) {
      if (broken instanceof ConnectionEnd) return broken;
      // A fault of this module must not leave the page without a connection.
      console.error(broken);
      return ConnectionEnd.lost();
    }
  }

  /** Opens a scene, for a transport that can't do so itself. @param {AbortSignal} signal */
  async #open(signal) {
    this.#patience.waitForFirst(false);
    const opened = await this.#gateway.open(this.#request, signal);
    if (signal.aborted) throw ConnectionEnd.lost();
    this.#patience.messageReceived();
    this.#handle(opened);
    return this.#scene;
  }

  /** @param {Message} message */
  #handle(message) {
    switch (message.type) {
      case 'opened':
        this.#scene = { id: message.scene, key: message.key, seq: 0, expires: 0 };
        this.#stateReceived(message.expires_in);
        return this.#show(message.scene, message.expires_in, shown(message));
      case 'resumed':
        return this.#resumed(message);
      case 'trouble':
        this.#isOffline = true;
        return this.#emit('trouble', {});
      case 'scanned':
        return this.#isNew(message) && this.#emit('scanned', scanned(message));
      case 'confirmed':
        return this.#isNew(message) && this.#confirmed(message);
      case 'declined':
      case 'cancelled':
        return this.#isNew(message) && this.#end(message.type, {});
      case 'expired':
        return this.#expired();
    }
  }

  /** @param {string} scene @param {number} expiresIn Seconds. @param {Shown} code */
  #show(scene, expiresIn, code) {
    if (this.#scene) this.#kept?.save(this.#scene, code);
    this.#emit('opened', { scene, expiresIn, ...code });
  }

  /** @param {Message} message */
  #resumed({ state, expires_in: expiresIn = 0 }) {
    const shownBefore = this.#shownBefore;
    if (shownBefore && !USABLE_STATES.has(state)) return this.renew();
    const wasOffline = this.#isOffline;
    this.#stateReceived(expiresIn);
    this.#shownBefore = null;
    if (shownBefore && this.#scene) return this.#show(this.#scene.id, expiresIn, shownBefore);
    if (wasOffline) this.#emit('online', { state });
  }

  /** @param {Message} message */
  #confirmed(message) {
    if (this.#scene) this.#transport?.acknowledge(this.#scene);
    this.#end('confirmed', confirmed(message));
  }

  /** The scene is over, or gone. A page that has just been reloaded has not shown it, and gets another one. */
  #expired() {
    if (!this.#shownBefore) return this.#end('expired', {});
    this.#forgetScene();
    this.#connect();
  }

  /** @param {number} expiresIn Seconds. */
  #stateReceived(expiresIn) {
    this.#reconnection.reset();
    this.#isOffline = false;
    if (this.#scene) this.#scene.expires = performance.now() + expiresIn * 1000;
    // If the gateway sends nothing by then, the connection is dead.
    const end = () => this.#connectionEnded(ConnectionEnd.lost());
    this.#timer.set(expiresIn * 1000 + EXPIRY_GRACE, end, () => this.#look());
  }

  /** Whether an event is new, and not a repeat from an earlier connection. @param {Message} event */
  #isNew({ seq }) {
    if (!this.#scene || seq <= this.#scene.seq) return false;
    this.#scene.seq = seq;
    return true;
  }

  /** Reconnects, or ends the attempt if there is nothing to come back for. @param {ConnectionEnd} end */
  #connectionEnded({ kind, delay, problem }) {
    const isGone = GONE_CODES.has(problem?.code ?? '');
    if (this.#scene && (isGone || performance.now() > this.#scene.expires + GRANT_LIFE)) return this.#expired();
    // The user shouldn't wait that long in front of a page that does nothing.
    const isTooLong = (problem?.retryAfter ?? 0) > MAX_RETRY_DELAY;
    if (problem && (kind === 'refused' || isTooLong)) return this.#end('problem', problem);
    if (kind === 'unusable') {
      this.#reconnection.removeTransport();
      return this.#connect();
    }
    // In all other cases the gateway has said when to come back.
    const isBroken = kind === 'lost' || kind === 'late' || kind === 'silent';
    const retryIn = isBroken ? this.#reconnection.delayAfter(kind) : delay;
    if (retryIn === null) return this.#connect();

    const signal = this.#resetConnection();
    this.#onLeave(signal);
    if (isBroken) onLook(() => this.#connectAnew(), signal);
    this.#timer.set(retryIn, () => this.#connect(), () => this.#connectAnew());
    this.#isOffline = true;
    this.#emit('offline', { retryIn: retryIn / 1000 });
  }

  /**
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Details[Type]} detail
   */
  #end(type, detail) {
    this.#resetConnection();
    this.#isActive = false;
    this.#forgetScene();
    // A site that doesn't listen to problems should still find out.
    if (type === 'problem') console.warn('scenecast:', detail);
    this.#emit(type, detail);
  }

  /** Aborts the connection, its listeners and its timer. Returns the signal of the next one. @returns {AbortSignal} */
  #resetConnection() {
    this.#timer.stop();
    this.#connection.abort();
    this.#connection = new AbortController();
    return this.#connection.signal;
  }

  /**
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Details[Type]} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
