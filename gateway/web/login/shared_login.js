/**
 * A login that parts of a page share, so that a page opens one scene however often frameworks mount it: React's
 * StrictMode mounts twice, hot reload mounts again, elements are moved, and a page may have two boxes. Each scene takes
 * one of the codes that WeChat grants an account for a day.
 *
 * See docs/decisions/132-a-page-shares-one-login-by-its-options.md.
 */

import { PREPARING, nextState } from './login_state.js';

/** @typedef {import('../attempt.js').Attempt} Attempt */
/** @typedef {import('../scenecast.js').Details} Details */
/** @typedef {import('../scenecast.js').Options} Options */
/** @typedef {import('./login_state.js').LoginState} LoginState */
/** Begins a login. @typedef {(options: any) => Attempt} Begin */

/**
 * Is told of each event of a login. `renewed` is told when a new code was asked for.
 *
 * @callback OnEvent
 * @param {keyof Details | 'renewed'} type
 * @param {any} detail
 * @returns {void}
 */

/** How long a login that no part shows any more is kept for one that comes back, in ms. */
const KEPT_FOR = 1_000;
/** How often an expired code is renewed by itself while the page is visible, unless the page says another number. */
const AUTO_RENEW = 3;
/** All events of an attempt. @type {(keyof Details)[]} */
const TYPES = [
  'opened', 'offline', 'trouble', 'online', 'scanned', 'confirmed', 'declined', 'cancelled', 'expired', 'problem',
];

/** The logins of this page, by their options. @type {Map<string, SharedLogin>} */
const logins = new Map();

/**
 * The login with these options: the one that the page has, or a new one. Not for servers that render pages, which would
 * keep one for each page.
 *
 * @param {Options & { autoRenew?: number }} options
 * @param {Begin} begin
 */
export function sharedLogin(options, begin) {
  const key = keyOf(options);
  const login = logins.get(key) ?? new SharedLogin(key, options, begin);
  logins.set(key, login);
  return login;
}

/** The login with this key, if a part of the page shows it. @param {string} key */
export function loginOf(key) {
  return logins.get(key);
}

/**
 * Equal for equal options.
 *
 * @param {Options & { autoRenew?: number }} options
 */
export function keyOf({ gateway, account, state, locale, keepOnReload, autoRenew }) {
  return JSON.stringify([gateway, account, state, locale, keepOnReload, autoRenew].map((value) => `${value ?? ''}`));
}

export class SharedLogin {
  #key;
  #options;
  #begin;
  /** How many expired codes may still be renewed without somebody's action. */
  #renewalsLeft;
  /** @type {Attempt | undefined} */
  #attempt;
  /** @type {LoginState} */
  #state = PREPARING;
  /** @type {Set<OnEvent>} */
  #listeners = new Set();
  /** Events that came while the page was being mounted again. @type {Parameters<OnEvent>[]} */
  #missed = [];
  /** Begins or ends the login, unless something changes before. @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {string} key @param {Options & { autoRenew?: number }} options @param {Begin} begin */
  constructor(key, { autoRenew = AUTO_RENEW, ...options }, begin) {
    this.#key = key;
    this.#options = options;
    this.#begin = begin;
    this.#renewalsLeft = autoRenew;
    this.autoRenew = autoRenew;
  }

  /** The present state: the same object until something changes. */
  get state() {
    return this.#state;
  }

  /** What is left of the code's life, in seconds. */
  get remaining() {
    return this.#attempt?.remaining ?? 0;
  }

  /**
   * Calls `listener` with each event from now on, and with those that nobody was there for. The login begins a tick after
   * its first listener came, and is cancelled {@link KEPT_FOR} after its last one has left.
   *
   * @param {OnEvent} listener
   * @returns {() => void} Takes the listener away.
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    this.#listenersChanged();
    for (const event of this.#missed.splice(0)) this.#tell(...event);
    return () => {
      if (this.#listeners.delete(listener)) this.#listenersChanged();
    };
  }

  /** Asks for a new code. */
  renew() {
    this.#renewalsLeft = this.autoRenew;
    this.#renew();
  }

  /** Gives the login up. */
  cancel() {
    this.#attempt?.cancel();
  }

  /** Connects at once, if the connection is lost. */
  reconnect() {
    this.#attempt?.reconnect();
  }

  #listenersChanged() {
    clearTimeout(this.#timer);
    const isShown = this.#listeners.size > 0;
    if (isShown && !this.#attempt) this.#timer = setTimeout(() => this.#start(), 0);
    if (!isShown) this.#timer = setTimeout(() => this.#leave(), KEPT_FOR);
  }

  #start() {
    const attempt = this.#begin(this.#options);
    this.#attempt = attempt;
    for (const type of TYPES) {
      attempt.addEventListener(type, ({ detail }) => this.#attempt === attempt && this.#received(type, detail));
    }
  }

  #leave() {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.cancel();
    this.#state = PREPARING;
    this.#missed = [];
    if (logins.get(this.#key) === this) logins.delete(this.#key);
  }

  /** @param {keyof Details} type @param {any} detail */
  #received(type, detail) {
    if (type === 'expired' && this.#renewalsLeft > 0 && document.visibilityState === 'visible') {
      this.#renewalsLeft -= 1;
      return this.#renew();
    }
    this.#state = nextState(this.#state, type, detail);
    this.#tell(type, detail);
  }

  #renew() {
    this.#state = PREPARING;
    this.#tell('renewed', {});
    this.#attempt?.renew();
  }

  /** @param {keyof Details | 'renewed'} type @param {any} detail */
  #tell(type, detail) {
    if (!this.#listeners.size) this.#missed.push([type, detail]);
    for (const listener of [...this.#listeners]) listener(type, detail);
  }
}
