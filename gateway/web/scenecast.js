/**
 * Scenecast in the browser: opens a scene, hands over what to show for it, and tells what happens to it.
 *
 *     import { login } from 'https://gateway.example.com/v1/scenecast.js';
 *
 *     const attempt = login({ account: 'demo', state });
 *     attempt.addEventListener('opened', ({ detail }) => (image.src = detail.qr.image));
 *     attempt.addEventListener('confirmed', ({ detail }) => sendToBackend(detail.grant));
 *     attempt.addEventListener('expired', () => (button.onclick = () => attempt.renew()));
 *
 * It waits on a WebSocket; where something on the way breaks those, on a stream of events, and where that doesn't
 * flow, by polls. The scene's key stays in this module's memory: not in a URL, not in storage, not in an event.
 *
 * @module scenecast
 */

/** @typedef {import('./gateway.js').Frame} Frame */

import { Choice } from './choice.js';
import { Ending } from './ending.js';
import { Gateway } from './gateway.js';
import { Poll, Socket, Stream } from './transports.js';

/**
 * @typedef {object} Options
 * @property {string} account What the deployment calls the account to log in with.
 * @property {string} [state] What ties the login to this browser's session; the backend redeems with the same.
 * @property {string} [locale] The language in which the phone is spoken to, such as `zh-CN`; by default the page's.
 * @property {string} [gateway] The gateway's address; by default, where this module came from.
 */

/**
 * The `detail` of each event, by its type. After the last five, nothing more comes until `renew()`.
 *
 * @typedef {object} Details
 * @property {Opened} opened What to show.
 * @property {{ retryIn: number }} offline The connection is lost; it is tried again in so many seconds.
 * @property {{}} trouble The connection stands, but what happens to the scene can't be told for now: what does is
 *     told later, after `online`.
 * @property {{ state: string }} online The connection is back, or the trouble over, and the scene is in this state.
 * @property {{ name: string, avatar: string, number?: number }} scanned Somebody scanned, and has yet to confirm.
 *     Where there is a number of two digits, the page shows it: the phone has to pick it.
 * @property {{ name: string, avatar: string, grant: string, typed: boolean }} confirmed The backend can redeem the
 *     grant. Where the code was typed, that may have been somebody else's mistake: the page asks “Continue as
 *     <name>?” first, and drops the grant if the answer is no.
 * @property {{}} declined Whoever scanned said no.
 * @property {{}} cancelled The page gave up.
 * @property {{}} expired Nobody confirmed in time.
 * @property {{ code: string, detail: string, retryAfter?: number }} problem
 *     The gateway refuses, and would again; `retryAfter` seconds say when it might not.
 */

/**
 * A scene that lives for `expiresIn` seconds, and what its phone finds it by, one of three: a QR code, as what it
 * says and as a picture for an `<img>`; a mini-program code, as a picture; digits to be typed to the account, which
 * read best in groups of four.
 *
 * @typedef {object} Opened
 * @property {string} scene
 * @property {number} expiresIn
 * @property {{ url: string, image: string }} [qr]
 * @property {{ image: string }} [miniProgram]
 * @property {string} [code]
 */

/** How long after a scene's end the gateway may take to say so, in ms. */
const GRACE = 3_000;
/** For how long a login that was confirmed in the last moment can still be fetched, in ms. */
const GRANT_LIFE = 120_000;
/** The longest delay, in s, that a gateway may ask for and is waited for here. */
const WAIT_AT_MOST = 30;
/**
 * Back-off between connections, in ms. The first is long, because whoever loses a pod is not alone: its thousands of
 * pages come back over that time. The few whose phone is about to confirm don't wait so long.
 */
const BACKOFF = { first: 5_000, scanned: 1_000, longest: 15_000 };

/** What a gateway says to the key of a scene that it can't give any more. */
const GONE = new Set(['scene_expired', 'key_invalid']);

/**
 * Starts a login. The scene is opened when the page is visible, because codes are not for pages
 * that nobody sees.
 *
 * @param {Options} options
 * @returns {Attempt}
 */
export function login(options) {
  return new Attempt(options);
}

/** A login that is under way. Its events are `CustomEvent`s; see {@link Details}. */
class Attempt extends EventTarget {
  #gateway;
  /** What carries the scene. @type {Choice<Socket | Stream | Poll>} */
  #choice;
  /** What opens a scene. */
  #request;
  /**
   * The scene that is shown, if one is.
   *
   * @type {{ id: string, key: string, seq: number, expires: number, scanned: boolean } | null}
   */
  #scene = null;
  /** Whether the attempt goes on. */
  #live = false;
  /** Whether the page was told that the connection is lost, or of trouble. */
  #offline = false;
  /** Connections lost since the last answer. */
  #failures = 0;
  /** Ends whatever the current turn listens to. */
  #turn = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Options} options */
  constructor({ account, state, locale = pageLocale(), gateway }) {
    super();
    const api = gateway ? new URL('v1/', gateway.replace(/\/*$/, '/')) : new URL('.', import.meta.url);
    this.#request = { account, state, locale };
    this.#gateway = new Gateway(api);
    this.#choice = new Choice([
      new Socket(this.#gateway, this.#request),
      ...(Stream.supported ? [new Stream(this.#gateway)] : []),
      new Poll(this.#gateway),
    ]);
    this.renew();
  }

  /** What is left of the shown scene's life, in seconds; 0 without one. */
  get remaining() {
    return this.#scene ? Math.max(0, this.#scene.expires - Date.now()) / 1000 : 0;
  }

  /** Opens a new scene, in place of the one that is there or was. */
  renew() {
    this.#giveUp();
    this.#live = true;
    this.#failures = 0;
    this.#connect();
  }

  /** Gives up. */
  cancel() {
    if (!this.#live) return;
    this.#giveUp();
    this.#end('cancelled', {});
  }

  #giveUp() {
    if (this.#scene) this.#gateway.giveUp(this.#scene);
    this.#scene = null;
  }

  #connect() {
    const signal = this.#nextTurn();
    if (!this.#scene && document.visibilityState !== 'visible') {
      document.addEventListener('visibilitychange', () => this.#connect(), { once: true, signal });
      return;
    }
    this.#carry(signal).then((ending) => signal.aborted || this.#lose(ending));
  }

  /**
   * Has what the gateway says carried here, until the connection ends.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<Ending>}
   */
  async #carry(signal) {
    const transport = this.#choice.begin();
    const hear = (/** @type {Frame} */ frame) => {
      if (signal.aborted) return;
      this.#choice.works();
      this.#hear(frame);
    };
    try {
      const scene = this.#scene ?? (transport.opens ? null : await this.#open(signal));
      return await transport.run(scene, hear, signal);
    } catch (broken) {
      if (broken instanceof Ending) return broken;
      throw broken;
    }
  }

  /** Opens a scene for a transport that can't. @param {AbortSignal} signal */
  async #open(signal) {
    const opened = await this.#gateway.open(this.#request, signal);
    if (signal.aborted) throw Ending.lost();
    this.#hear(opened);
    return this.#scene;
  }

  /** @param {Frame} frame What the gateway says. */
  #hear(frame) {
    switch (frame.type) {
      case 'opened':
        this.#scene = { id: frame.scene, key: frame.key, seq: 0, expires: 0, scanned: false };
        this.#answered(frame.expires_in);
        return this.#tell('opened', { scene: frame.scene, expiresIn: frame.expires_in, ...shown(frame) });
      case 'resumed': {
        const isBack = this.#offline;
        this.#answered(frame.expires_in ?? 0);
        return isBack && this.#tell('online', { state: frame.state });
      }
      case 'trouble':
        this.#offline = true;
        return this.#tell('trouble', {});
      case 'scanned':
        this.#scene.scanned = true;
        return this.#isNews(frame) && this.#tell('scanned', scanned(frame));
      case 'confirmed':
        return this.#isNews(frame) && this.#end('confirmed', confirmed(frame));
      case 'declined':
      case 'cancelled':
        return this.#isNews(frame) && this.#end(frame.type, {});
      case 'expired':
        return this.#end('expired', {});
    }
  }

  /** @param {number} expiresIn Seconds. */
  #answered(expiresIn) {
    this.#failures = 0;
    this.#offline = false;
    this.#scene.expires = Date.now() + expiresIn * 1000;
    // A gateway that is silent then is no longer there.
    this.#alarm(expiresIn * 1000 + GRACE, () => this.#lose(Ending.lost()));
  }

  /** Whether an event was not heard before, over this connection or an earlier one. @param {Frame} event */
  #isNews({ seq }) {
    if (!this.#scene || seq <= this.#scene.seq) return false;
    this.#scene.seq = seq;
    return true;
  }

  /** The connection has ended: so does the attempt where there is nothing to come back for. @param {Ending} ending */
  #lose({ kind, delay, problem }) {
    const isOver = this.#scene && (GONE.has(problem?.code ?? '') || Date.now() > this.#scene.expires + GRANT_LIFE);
    if (isOver) return this.#end('expired', {});
    // Too long to leave somebody before a page that does nothing.
    const isTooLong = (problem?.retryAfter ?? 0) > WAIT_AT_MOST;
    if (problem && (kind === 'refused' || isTooLong)) return this.#end('problem', problem);
    if (kind === 'lost' && this.#choice.broke()) return this.#connect();

    const signal = this.#nextTurn();
    if (kind === 'lost') {
      const first = this.#scene?.scanned ? BACKOFF.scanned : BACKOFF.first;
      delay = Math.random() * Math.min(BACKOFF.longest, first * 2 ** this.#failures++);
      window.addEventListener('online', () => this.#connect(), { once: true, signal });
    }
    this.#alarm(delay, () => this.#connect());
    this.#offline = true;
    this.#tell('offline', { retryIn: delay / 1000 });
  }

  /**
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Details[Type]} detail
   */
  #end(type, detail) {
    this.#nextTurn();
    this.#live = false;
    this.#scene = null;
    this.#tell(type, detail);
  }

  /** Leaves the connection, listeners and alarm that are there. @returns {AbortSignal} */
  #nextTurn() {
    clearTimeout(this.#timer);
    this.#turn.abort();
    this.#turn = new AbortController();
    return this.#turn.signal;
  }

  /**
   * Acts in `ms`, by the wall clock, since timers stand still while a laptop sleeps. One alarm at a time.
   *
   * @param {number} ms
   * @param {() => void} act
   */
  #alarm(ms, act) {
    const due = Date.now() + ms;
    const check = () => {
      const left = due - Date.now();
      this.#timer = setTimeout(left <= 0 ? act : check, Math.max(0, Math.min(left, 1000)));
    };
    clearTimeout(this.#timer);
    check();
  }

  /**
   * @template {keyof Details} Type
   * @param {Type} type
   * @param {Details[Type]} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The page's language, where it is written as languages are. */
function pageLocale() {
  const tag = document.documentElement.lang || navigator.language;
  return /^[A-Za-z0-9-]{2,35}$/.test(tag) ? tag : undefined;
}

/** What a new scene's page shows. @param {Frame} opened */
function shown({ qr, mini_program: miniProgram, code }) {
  // As a picture, an SVG runs no script.
  if (qr) return { qr: { url: qr.url, image: `data:image/svg+xml,${encodeURIComponent(qr.svg)}` } };
  return miniProgram ? { miniProgram } : { code };
}

/** @param {Frame} event */
function scanned({ name, avatar, number }) {
  return number ? { name, avatar, number } : { name, avatar };
}

/** @param {Frame} event */
function confirmed({ name, avatar, grant, typed = false }) {
  return { name, avatar, grant, typed };
}
