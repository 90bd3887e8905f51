/** The gateway's HTTP calls. */

import { ConnectionEnd, Watchdog } from './connection_end.js';
import { checked } from './messages.js';
import { TIMEOUT } from './patience.js';

/** How long after its scene's life a login of the last moment can still be fetched, in ms. */
export const GRANT_LIFE = 120_000;
/** When to come back to a gateway that answered with an internal error, in ms. */
const AFTER_INTERNAL_ERROR = 5_000;

/**
 * A scene. `seq` is that of the last event that the page has seen.
 *
 * @typedef {{ id: string, key: string, seq: number }} Scene
 */
/** @typedef {import('./messages.js').Message} Message */

/** Where the page's content security policy doesn't let it connect to, such as `wss://host`. @type {Set<string>} */
const blocked = new Set();

/** @param {SecurityPolicyViolationEvent} violation */
function noteBlocked({ blockedURI, disposition, effectiveDirective }) {
  // A policy may only report what it would block, and it may block pictures alone.
  if (disposition === 'enforce' && effectiveDirective === 'connect-src') {
    blocked.add(blockedURI.split('/', 3).join('/'));
  }
}

export class Gateway {
  #api;
  /** @type {Record<string, string>} */
  #language;

  /**
   * @param {URL} api The base address of its calls.
   * @param {import('./patience.js').Patience} patience
   * @param {string | undefined} locale
   */
  constructor(api, patience, locale) {
    this.#api = api;
    this.patience = patience;
    /** The gateway keeps nothing of the page, so the page says its language again when it comes back. */
    this.#language = locale ? { 'accept-language': locale } : {};
    // Not when the module is loaded: servers that render pages load it, too, and have no document.
    document.addEventListener('securitypolicyviolation', noteBlocked);
  }

  /** Whether this browser can send requests at all. */
  static get supported() {
    return typeof fetch === 'function' && typeof Response === 'function' && typeof AbortController === 'function';
  }

  /** @param {string} path */
  url(path) {
    return new URL(path, this.#api);
  }

  /**
   * Opens a scene.
   *
   * @param {object} request
   * @param {AbortSignal} unwanted
   * @returns {Promise<Message>} The message that a WebSocket would send.
   */
  async open(request, unwanted) {
    const watchdog = new Watchdog(unwanted);
    watchdog.restart(this.patience.for(TIMEOUT.open));
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(request), signal: watchdog.signal };
    try {
      const answer = await readJson(await this.#fetch(this.url('scenes'), init));
      const opened = checked({ ...answer, type: 'opened' });
      if (!opened) throw ConnectionEnd.lost();
      return opened;
    } catch (broken) {
      throw watchdog.isLate ? ConnectionEnd.late() : broken;
    } finally {
      watchdog.abort();
    }
  }

  /** Cancels a scene. If the request doesn't arrive, the scene expires. @param {Scene} scene */
  cancel(scene) {
    this.#send(scene, '', 'DELETE');
  }

  /**
   * Tells the gateway that the page has all events up to `scene.seq`, as a poll does that asks for those after it. The
   * answer doesn't matter.
   *
   * @param {Scene} scene
   */
  acknowledge(scene) {
    this.#send(scene, `?after=${scene.seq}&wait=0`, 'GET');
  }

  /** Sends a request that may outlive the page. @param {Scene} scene @param {string} path @param {string} method */
  #send(scene, path, method) {
    const init = { method, headers: Gateway.#authorization(scene), keepalive: true };
    this.#fetch(this.url(`scenes/${scene.id}${path}`), init).catch(() => {});
  }

  /**
   * Requests something of a scene.
   *
   * @param {Scene} scene
   * @param {string} path Below the scene's.
   * @param {Record<string, string>} headers
   * @param {AbortSignal} signal
   */
  get(scene, path, headers, signal) {
    return this.#fetch(this.url(`scenes/${scene.id}${path}`), {
      headers: { ...headers, ...this.#language, ...Gateway.#authorization(scene) },
      signal,
    });
  }

  /** @param {Scene} scene */
  static #authorization({ key }) {
    return { authorization: `Bearer ${key}` };
  }

  /**
   * A successful answer. Any other is thrown as the end of the connection.
   *
   * @param {URL} url
   * @param {RequestInit} init
   */
  async #fetch(url, init) {
    const answer = await this.#answer(url, { ...init, cache: 'no-store', credentials: 'omit' });
    if (answer.ok) return answer;
    const { code, detail } = (await answer.json().catch(() => null)) ?? {};
    const retryAfter = Number(answer.headers.get('retry-after')) || undefined;
    const problem = code ? { code, detail, retryAfter } : null;
    // Random, so that pages that were refused together don't come back together.
    if (retryAfter) throw ConnectionEnd.retry(retryAfter * 1000 * (1 + Math.random()), problem);
    if (answer.status === 500) throw ConnectionEnd.retry(AFTER_INTERNAL_ERROR, problem);
    // An error without a code comes from a proxy, not from the gateway.
    throw problem ? ConnectionEnd.refused(problem) : ConnectionEnd.lost();
  }

  /** Any answer. @param {URL} url @param {RequestInit} init @returns {Promise<Response>} */
  async #answer(url, init) {
    let answering;
    try {
      answering = fetch(url, init);
    } catch {
      throw ConnectionEnd.unusable();
    }
    try {
      return await answering;
    } catch {
      throw await this.failureOf(url);
    }
  }

  /**
   * Why there is no connection to this address. The browser tells only the document that its policy is the reason.
   *
   * @param {URL} url
   */
  async failureOf(url) {
    await pause(0);
    return blocked.has(`${url.protocol}//${url.host}`) ? ConnectionEnd.unusable() : ConnectionEnd.lost();
  }
}

/** The JSON of an answer. @param {Response} answer */
export async function readJson(answer) {
  return answer.json().catch(() => {
    throw ConnectionEnd.lost();
  });
}

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
