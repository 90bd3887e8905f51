/**
 * Scenecast in the browser: opens a scene, and dispatches events with what to show and with what happens to it.
 *
 *     import { login } from 'https://gateway.example.com/v1/scenecast.js';
 *
 *     const attempt = login({ account: 'demo', state });
 *     attempt.addEventListener('opened', ({ detail }) => (image.src = detail.qr.image));
 *     attempt.addEventListener('confirmed', ({ detail }) => sendToBackend(detail.grant));
 *     attempt.addEventListener('expired', () => (button.onclick = () => attempt.renew()));
 *
 * It waits on a WebSocket. Where a proxy breaks WebSockets, it uses server-sent events, and where a proxy buffers
 * those, long poll. The scene's key stays in this module's memory: not in a URL, not in storage, not in an event.
 *
 * @module scenecast
 */

/** @typedef {import('./gateway.js').Message} Message */

import { ConnectionEnd } from './connection_end.js';
import { Gateway } from './gateway.js';
import { TransportSelector } from './transport_selector.js';
import { PollTransport, SocketTransport, StreamTransport } from './transports.js';

/**
 * @typedef {object} Options
 * @property {string} account The name of the account to log in with, as in the deployment's configuration.
 * @property {string} [state] What ties the login to this browser's session; the backend redeems with the same.
 * @property {string} [locale] The language of the texts on the phone, such as `zh-CN`; by default the page's.
 * @property {string} [gateway] The gateway's address; by default, the one that this module comes from.
 */

/**
 * The `detail` of each event, by its type. After one of the last five, no event follows until `renew()`.
 *
 * @typedef {object} Details
 * @property {Opened} opened What to show.
 * @property {{ retryIn: number }} offline The connection is lost. The next attempt follows in so many seconds.
 * @property {{}} trouble The gateway is connected, but can't get the scene's events for now. They follow
 *     later, after `online`.
 * @property {{ state: string }} online The connection is back, or the trouble is over. The scene is in this state.
 * @property {{ name: string, avatar: string, number?: number }} scanned Somebody scanned, and has yet to confirm.
 *     If there is a number of two digits, the page shows it, and the phone has to pick it.
 * @property {{ name: string, avatar: string, grant: string, typed: boolean }} confirmed The backend can redeem the
 *     grant. If `typed`, somebody typed the code, and another person may have done so by mistake. So the page asks
 *     “Continue as <name>?” first, and drops the grant if the answer is no.
 * @property {{}} declined The person who scanned said no.
 * @property {{}} cancelled The page cancelled it.
 * @property {{}} expired Nobody confirmed in time.
 * @property {{ code: string, detail: string, retryAfter?: number }} problem
 *     The gateway refuses, and would refuse again. With `retryAfter`, it might not after so many seconds.
 */

/**
 * A scene that lives for `expiresIn` seconds, and the code by which the phone finds it. The code is one of three: a
 * QR code, as its address and as an image for an `<img>`; a mini-program code, as an image; or digits that the user
 * types into a chat with the account, best shown in groups of four.
 *
 * @typedef {object} Opened
 * @property {string} scene
 * @property {number} expiresIn
 * @property {{ url: string, image: string }} [qr]
 * @property {{ image: string }} [miniProgram]
 * @property {string} [code]
 */

/** How long the gateway may take to send a scene's end, in ms. */
const EXPIRY_GRACE = 3_000;
/** How long a login that was confirmed in the last moment can still be fetched, in ms. */
const GRANT_LIFE = 120_000;
/** The longest delay that the module waits by itself when the gateway refuses, in s. */
const MAX_RETRY_DELAY = 30;
/**
 * Backoff between connections, in ms. The first delay is long because a pod that fails has thousands of pages, which
 * all come back over that time. The few pages whose phone is about to confirm don't wait so long.
 */
const BACKOFF = { first: 5_000, scanned: 1_000, longest: 15_000 };

/** The problem codes that mean that the scene is gone. */
const GONE_CODES = new Set(['scene_expired', 'key_invalid']);

/**
 * Starts a login. The scene is opened when the page is visible, because WeChat limits the number of codes.
 *
 * @param {Options} options
 * @returns {Attempt}
 */
export function login(options) {
  return new Attempt(options);
}

/** A login attempt. Its events are `CustomEvent`s; see {@link Details}. */
class Attempt extends EventTarget {
  #gateway;
  /** @type {TransportSelector<SocketTransport | StreamTransport | PollTransport>} */
  #selector;
  /** The body of the call that opens a scene. */
  #request;
  /**
   * The scene that the page shows, if there is one.
   *
   * @type {{ id: string, key: string, seq: number, expires: number, scanned: boolean } | null}
   */
  #scene = null;
  /** Whether the attempt has not ended. */
  #isActive = false;
  /** Whether the page got `offline` or `trouble`, and no `online` since. */
  #isOffline = false;
  /** Connections lost since the last message with a state. */
  #failures = 0;
  /** Aborts the current connection, its listeners, and its timer. */
  #connection = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Options} options */
  constructor({ account, state, locale = pageLocale(), gateway }) {
    super();
    const api = gateway ? new URL('v1/', gateway.replace(/\/*$/, '/')) : new URL('.', import.meta.url);
    this.#request = { account, state, locale };
    this.#gateway = new Gateway(api);
    this.#selector = new TransportSelector([
      new SocketTransport(this.#gateway, this.#request),
      ...(StreamTransport.supported ? [new StreamTransport(this.#gateway)] : []),
      new PollTransport(this.#gateway),
    ]);
    this.renew();
  }

  /** What is left of the shown scene's life, in seconds; 0 without one. */
  get remaining() {
    return this.#scene ? Math.max(0, this.#scene.expires - Date.now()) / 1000 : 0;
  }

  /** Opens a new scene in place of the last one. */
  renew() {
    this.#cancelScene();
    this.#isActive = true;
    this.#failures = 0;
    this.#connect();
  }

  /** Cancels the login. */
  cancel() {
    if (!this.#isActive) return;
    this.#cancelScene();
    this.#end('cancelled', {});
  }

  #cancelScene() {
    if (this.#scene) this.#gateway.cancel(this.#scene);
    this.#scene = null;
  }

  #connect() {
    const signal = this.#resetConnection();
    if (!this.#scene && document.visibilityState !== 'visible') {
      document.addEventListener('visibilitychange', () => this.#connect(), { once: true, signal });
      return;
    }
    this.#run(signal).then((end) => signal.aborted || this.#connectionEnded(end));
  }

  /**
   * Handles messages from the gateway until the connection ends.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<ConnectionEnd>}
   */
  async #run(signal) {
    const transport = this.#selector.begin();
    const onMessage = (/** @type {Message} */ message) => {
      if (signal.aborted) return;
      this.#selector.messageReceived();
      this.#handle(message);
    };
    try {
      const scene = this.#scene ?? (transport.canOpen ? null : await this.#open(signal));
      return await transport.run(scene, onMessage, signal);
    } catch (broken) {
      if (broken instanceof ConnectionEnd) return broken;
      throw broken;
    }
  }

  /** Opens a scene, for a transport that can't do so itself. @param {AbortSignal} signal */
  async #open(signal) {
    const opened = await this.#gateway.open(this.#request, signal);
    if (signal.aborted) throw ConnectionEnd.lost();
    this.#handle(opened);
    return this.#scene;
  }

  /** @param {Message} message */
  #handle(message) {
    switch (message.type) {
      case 'opened':
        this.#scene = { id: message.scene, key: message.key, seq: 0, expires: 0, scanned: false };
        this.#stateReceived(message.expires_in);
        return this.#emit('opened', { scene: message.scene, expiresIn: message.expires_in, ...shown(message) });
      case 'resumed': {
        const wasOffline = this.#isOffline;
        this.#stateReceived(message.expires_in ?? 0);
        return wasOffline && this.#emit('online', { state: message.state });
      }
      case 'trouble':
        this.#isOffline = true;
        return this.#emit('trouble', {});
      case 'scanned':
        this.#scene.scanned = true;
        return this.#isNew(message) && this.#emit('scanned', scanned(message));
      case 'confirmed':
        return this.#isNew(message) && this.#end('confirmed', confirmed(message));
      case 'declined':
      case 'cancelled':
        return this.#isNew(message) && this.#end(message.type, {});
      case 'expired':
        return this.#end('expired', {});
    }
  }

  /** @param {number} expiresIn Seconds. */
  #stateReceived(expiresIn) {
    this.#failures = 0;
    this.#isOffline = false;
    this.#scene.expires = Date.now() + expiresIn * 1000;
    // If the gateway sends nothing by then, the connection is dead.
    this.#setTimer(expiresIn * 1000 + EXPIRY_GRACE, () => this.#connectionEnded(ConnectionEnd.lost()));
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
    if (this.#scene && (isGone || Date.now() > this.#scene.expires + GRANT_LIFE)) return this.#end('expired', {});
    // The user shouldn't wait that long in front of a page that does nothing.
    const isTooLong = (problem?.retryAfter ?? 0) > MAX_RETRY_DELAY;
    if (problem && (kind === 'refused' || isTooLong)) return this.#end('problem', problem);
    if (kind === 'lost' && this.#selector.connectionBroke()) return this.#connect();

    const signal = this.#resetConnection();
    if (kind === 'lost') {
      const first = this.#scene?.scanned ? BACKOFF.scanned : BACKOFF.first;
      delay = Math.random() * Math.min(BACKOFF.longest, first * 2 ** this.#failures++);
      window.addEventListener('online', () => this.#connect(), { once: true, signal });
    }
    this.#setTimer(delay, () => this.#connect());
    this.#isOffline = true;
    this.#emit('offline', { retryIn: delay / 1000 });
  }

  /**
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Details[Type]} detail
   */
  #end(type, detail) {
    this.#resetConnection();
    this.#isActive = false;
    this.#scene = null;
    this.#emit(type, detail);
  }

  /** Aborts the connection, its listeners and its timer. Returns the signal of the next one. @returns {AbortSignal} */
  #resetConnection() {
    clearTimeout(this.#timer);
    this.#connection.abort();
    this.#connection = new AbortController();
    return this.#connection.signal;
  }

  /**
   * Runs the action in `ms` by the wall clock, since timers stand still while a laptop sleeps. There is one timer.
   *
   * @param {number} ms
   * @param {() => void} action
   */
  #setTimer(ms, action) {
    const due = Date.now() + ms;
    const check = () => {
      const left = due - Date.now();
      this.#timer = setTimeout(left <= 0 ? action : check, Math.max(0, Math.min(left, 1000)));
    };
    clearTimeout(this.#timer);
    check();
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

/** The page's language, if it is a language tag. */
function pageLocale() {
  const tag = document.documentElement.lang || navigator.language;
  return /^[A-Za-z0-9-]{2,35}$/.test(tag) ? tag : undefined;
}

/** What the page shows for a new scene. @param {Message} opened */
function shown({ qr, mini_program: miniProgram, code }) {
  // In an `<img>`, an SVG runs no script.
  if (qr) return { qr: { url: qr.url, image: `data:image/svg+xml,${encodeURIComponent(qr.svg)}` } };
  return miniProgram ? { miniProgram } : { code };
}

/** @param {Message} event */
function scanned({ name, avatar, number }) {
  return number ? { name, avatar, number } : { name, avatar };
}

/** @param {Message} event */
function confirmed({ name, avatar, grant, typed = false }) {
  return { name, avatar, grant, typed };
}
