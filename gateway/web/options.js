/**
 * What the site's page asks for, checked before anything connects. What can be understood is understood; all the rest is
 * named.
 */

import { localeTag, pageLocale } from './page.js';

/** @typedef {import('./scenecast.js').Options} Options */
/** The body of the call that opens a scene. @typedef {{ account: string, state?: string, locale?: string }} OpenRequest */

/** The longest `state`, in bytes of UTF-8. */
const MAX_STATE_BYTES = 256;
const ACCOUNT = /^[a-z0-9-]{1,32}$/;
/** Where gateways serve modules, below the base address of their calls. */
const SERVED = /^(.*?\/)(modules\/[^/]+\/)?scenecast(-login)?\.js$/;
/** A path on the page's own host. Without a beginning like that, a text is a host name whose scheme was forgotten. */
const PATH = /^\.{0,2}\//;
const KNOWN = new Set(['account', 'state', 'locale', 'gateway', 'keepOnReload']);

/** Options of a page, read one by one. */
export class CheckedOptions {
  /** What is wrong with the options, one sentence each. @type {string[]} */
  #faults = [];

  /**
   * @param {Options} options
   * @param {string} [servedAt] Where the module comes from, if that may be the gateway.
   * @throws {Error} Where there is no page, as on a server that renders one.
   */
  constructor(options, servedAt) {
    if (typeof document === 'undefined') {
      throw new Error('scenecast: login() needs a page; on a server, call it later, in the browser');
    }
    const given = isObject(options) ? options : /** @type {any} */ ({});
    if (given !== options) this.#faults.push('login() takes an object of options, such as { account: "demo" }');
    for (const name of Object.keys(given)) {
      if (!KNOWN.has(name)) console.warn(`scenecast: there is no option ${name}; known are ${[...KNOWN].join(', ')}`);
    }
    /** @type {OpenRequest} */
    this.request = {
      account: this.#account(given.account),
      state: this.#state(given.state),
      locale: this.#locale(given.locale),
    };
    /** The base address of the gateway's calls. */
    this.api = this.#api(given.gateway, servedAt);
    this.keepOnReload = this.#keepOnReload(given.keepOnReload);
  }

  /** The problem of a page that can't connect with these options, or null. */
  get problem() {
    return this.#faults.length ? { code: 'option_invalid', detail: this.#faults.join('; ') } : null;
  }

  /** @param {unknown} account */
  #account(account) {
    if (isMissing(account) || account === '') {
      this.#faults.push('account is missing: the name of the account to log in with');
    } else if (typeof account !== 'string') {
      this.#faults.push(`account has to be a string, and is a ${typeof account}`);
    } else if (!ACCOUNT.test(account)) {
      this.#faults.push('account has to be 1 to 32 of a-z, 0-9 and -');
    }
    return /** @type {string} */ (account);
  }

  /** @param {unknown} state */
  #state(state) {
    if (isMissing(state)) return undefined;
    // A larger number is not what was written: JavaScript has rounded it.
    const text = typeof state === 'bigint' || Number.isSafeInteger(state) ? String(state) : state;
    if (typeof text !== 'string') {
      this.#faults.push(`state has to be a string, and is ${typeof state === 'number' ? state : `a ${typeof state}`}`);
      return undefined;
    }
    const bytes = new TextEncoder().encode(text).length;
    if (!bytes) this.#faults.push('state is empty; leave it out if there is none');
    if (bytes > MAX_STATE_BYTES) this.#faults.push(`state has ${bytes} bytes, and may have ${MAX_STATE_BYTES}`);
    if (/\p{Surrogate}/u.test(text)) this.#faults.push('state has half of a character (a lone surrogate)');
    return text;
  }

  /** @param {unknown} locale */
  #locale(locale) {
    if (isMissing(locale) || locale === '') return pageLocale();
    const tag = typeof locale === 'string' || isObject(locale) ? localeTag(String(locale)) : undefined;
    if (!tag) this.#faults.push('locale has to be a language tag such as zh-CN');
    return tag;
  }

  /** @param {unknown} gateway @param {string} [servedAt] */
  #api(gateway, servedAt) {
    const isGiven = !isMissing(gateway) && gateway !== '';
    const address = isGiven ? this.#givenGateway(String(gateway)) : this.#ownGateway(servedAt);
    return address ?? new URL(document.baseURI);
  }

  /**
   * The address that this module comes from, if it comes from a gateway.
   *
   * See docs/decisions/131-the-package-has-to-be-told-its-gateway.md.
   *
   * @param {string} [servedAt]
   */
  #ownGateway(servedAt) {
    const own = parsed(servedAt ?? '');
    const base = own && /^https?:$/.test(own.protocol) && SERVED.exec(own.pathname)?.[1];
    if (base && !base.includes('/node_modules/')) return new URL(base, own);
    this.#faults.push('gateway is missing: a module that the gateway doesn’t serve has to be told its address');
    return undefined;
  }

  /** @param {string} gateway An address, or a path on the page's own host. */
  #givenGateway(gateway) {
    const base = PATH.test(gateway) ? document.baseURI : undefined;
    const address = parsed(gateway.trim().replace(/^ws(s?):/i, 'http$1:'), base);
    if (!address || !/^https?:$/.test(address.protocol)) {
      this.#faults.push('gateway has to be an address such as https://gateway.example.com, or a path such as /gateway');
      return undefined;
    }
    address.search = address.hash = '';
    address.pathname = `${address.pathname.replace(/\/+$/, '')}/v1/`;
    return address;
  }

  /** @param {unknown} keepOnReload */
  #keepOnReload(keepOnReload) {
    if (isMissing(keepOnReload)) return false;
    if (typeof keepOnReload !== 'boolean') this.#faults.push('keepOnReload has to be true or false');
    return keepOnReload === true;
  }
}

/** @param {unknown} value */
function isMissing(value) {
  return value === undefined || value === null;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

/** @param {string} address @param {string} [base] */
function parsed(address, base) {
  try {
    return new URL(address, base);
  } catch {
    return undefined;
  }
}
