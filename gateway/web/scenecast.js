/**
 * Scenecast in the browser: opens a scene, hands over its QR code, and tells what happens to it.
 *
 *     import { login } from 'https://gateway.example.com/v1/scenecast.js';
 *
 *     const attempt = login({ account: 'demo', state });
 *     attempt.addEventListener('opened', ({ detail }) => (image.src = detail.qr.image));
 *     attempt.addEventListener('confirmed', ({ detail }) => sendToBackend(detail.grant));
 *     attempt.addEventListener('expired', () => (button.onclick = () => attempt.renew()));
 *
 * The scene's key stays in this module's memory: not in a URL, not in storage, not in an event.
 *
 * @module scenecast
 */

/**
 * @typedef {object} Options
 * @property {string} account What the deployment calls the account to log in with.
 * @property {string} [state] What ties the login to this browser's session; the backend redeems with the same.
 * @property {string} [gateway] The gateway's address; by default, where this module came from.
 */

/**
 * The `detail` of each event, by its type. After the last five, nothing more comes until `renew()`.
 *
 * @typedef {object} Details
 * @property {{ scene: string, expiresIn: number, qr: { url: string, image: string } }} opened
 *     A code to show: what it says, and a picture of it for an `<img>`. Seconds.
 * @property {{ retryIn: number }} offline The connection is lost; it is tried again in so many seconds.
 * @property {{ state: string }} online The connection is back, and the scene is in this state.
 * @property {{ name: string, avatar: string }} scanned Somebody scanned, and has yet to confirm.
 * @property {{ name: string, avatar: string, grant: string }} confirmed The backend can redeem the grant.
 * @property {{}} declined Whoever scanned said no.
 * @property {{}} cancelled The page gave up.
 * @property {{}} expired Nobody confirmed in time.
 * @property {{ code: string, detail: string, retryAfter?: number }} problem
 *     The gateway refuses, and would again; `retryAfter` seconds say when it might not.
 */

/** How long a connection may take to its first answer, in ms. */
const PATIENCE = 10_000;
/** How long after a scene's end the gateway may take to say so, in ms. */
const GRACE = 3_000;
/** For how long a login that was confirmed in the last moment can still be fetched, in ms. */
const GRANT_LIFE = 60_000;
/** The longest delay, in s, that a gateway may ask for and is waited for here. */
const WAIT_AT_MOST = 30;
/** Back-off between connections, in ms. */
const BACKOFF = { first: 500, longest: 15_000 };

/** Closes after which the same would only happen again: done, and the kinds of policy. */
const FINAL = new Set([1000, 1003, 1008, 1009]);
/** Closes that come with the delay after which to return: restart, and try again later. */
const RETURN = new Set([1012, 1013]);
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
  /** Where the API is. @type {URL} */
  #api;
  /** What opens a scene. */
  #request;
  /** The scene that is shown, if one is. @type {{ id: string, key: string, seq: number, expires: number } | null} */
  #scene = null;
  /** Whether the attempt goes on. */
  #live = false;
  /** What the gateway said before it closes. @type {Details['problem'] | null} */
  #problem = null;
  /** Connections lost since the last answer. */
  #failures = 0;
  /** Ends whatever the current turn listens to. */
  #turn = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Options} options */
  constructor({ account, state, gateway }) {
    super();
    this.#api = gateway ? new URL('v1/', gateway.replace(/\/*$/, '/')) : new URL('.', import.meta.url);
    this.#request = { account, state };
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
    if (!this.#scene) return;
    const headers = { authorization: `Bearer ${this.#scene.key}` };
    const url = new URL(`scenes/${this.#scene.id}`, this.#api);
    // Where this does not arrive, the scene expires.
    fetch(url, { method: 'DELETE', headers, keepalive: true }).catch(() => {});
    this.#scene = null;
  }

  #connect() {
    const signal = this.#nextTurn();
    if (!this.#scene && document.visibilityState !== 'visible') {
      document.addEventListener('visibilitychange', () => this.#connect(), { once: true, signal });
      return;
    }
    this.#problem = null;
    const url = new URL('ws', this.#api);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url, 'scenecast.v1');
    const first = this.#scene
      ? { resume: { key: this.#scene.key, after: this.#scene.seq } }
      : { open: this.#request };
    signal.addEventListener('abort', () => socket.close());
    socket.addEventListener('open', () => socket.send(JSON.stringify(first)), { signal });
    socket.addEventListener('message', ({ data }) => this.#hear(JSON.parse(data)), { signal });
    socket.addEventListener('close', ({ code, reason }) => this.#lose(code, reason), { signal });
    this.#alarm(PATIENCE, () => this.#lose(1006, ''));
  }

  /** @param {any} frame What the gateway says. */
  #hear(frame) {
    switch (frame.type) {
      case 'opened': {
        this.#answered({ id: frame.scene, key: frame.key, seq: 0 }, frame.expires_in);
        // As a picture, an SVG runs no script.
        const image = `data:image/svg+xml,${encodeURIComponent(frame.qr.svg)}`;
        const qr = { url: frame.qr.url, image };
        return this.#tell('opened', { scene: frame.scene, expiresIn: frame.expires_in, qr });
      }
      case 'resumed':
        if (!this.#scene) return;
        this.#answered(this.#scene, frame.expires_in);
        return this.#tell('online', { state: frame.state });
      case 'scanned':
        return this.#isNews(frame) && this.#tell('scanned', { name: frame.name, avatar: frame.avatar });
      case 'confirmed': {
        const { name, avatar, grant } = frame;
        return this.#isNews(frame) && this.#end('confirmed', { name, avatar, grant });
      }
      case 'declined':
      case 'cancelled':
        return this.#isNews(frame) && this.#end(frame.type, {});
      case 'expired':
        return this.#end('expired', {});
      case 'problem':
        if (this.#scene && GONE.has(frame.code)) return this.#end('expired', {});
        this.#problem = { code: frame.code, detail: frame.detail, retryAfter: frame.retry_after };
    }
  }

  /**
   * @param {{ id: string, key: string, seq: number }} scene
   * @param {number} expiresIn Seconds.
   */
  #answered(scene, expiresIn) {
    this.#failures = 0;
    this.#scene = { ...scene, expires: Date.now() + expiresIn * 1000 };
    // A gateway that is silent then is no longer there.
    this.#alarm(expiresIn * 1000 + GRACE, () => this.#lose(1006, ''));
  }

  /**
   * Whether an event was not heard before, over this connection or an earlier one.
   *
   * @param {{ seq: number }} event
   */
  #isNews({ seq }) {
    if (!this.#scene || seq <= this.#scene.seq) return false;
    this.#scene.seq = seq;
    return true;
  }

  /**
   * The connection is lost: ends the attempt where there is nothing to come back for.
   *
   * @param {number} code
   * @param {string} reason
   */
  #lose(code, reason) {
    if (FINAL.has(code)) {
      return this.#end('problem', this.#problem ?? { code: 'closed', detail: `The gateway closed (${code} ${reason})` });
    }
    if (this.#scene && Date.now() > this.#scene.expires + GRANT_LIFE) return this.#end('expired', {});

    // Too long to leave somebody before a page that does nothing.
    if (this.#problem?.retryAfter > WAIT_AT_MOST) return this.#end('problem', this.#problem);

    const told = RETURN.has(code) && /retry_after_ms=(\d+)/.exec(reason);
    const delay = told
      ? Number(told[1])
      : Math.random() * Math.min(BACKOFF.longest, BACKOFF.first * 2 ** this.#failures++);
    const signal = this.#nextTurn();
    if (!told) window.addEventListener('online', () => this.#connect(), { once: true, signal });
    this.#alarm(delay, () => this.#connect());
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
