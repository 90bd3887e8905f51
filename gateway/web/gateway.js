/** The gateway's HTTP calls. */

import { ConnectionEnd, Watchdog } from './connection_end.js';

/** How long an answer may take, in ms: to open a scene, for which the gateway asks WeChat, or to anything else. */
export const TIMEOUT = { open: 8_000, other: 5_000 };
/** When to come back to a gateway that answered with an internal error, in ms. */
const AFTER_INTERNAL_ERROR = 5_000;

/**
 * A scene. `seq` is that of the last event that the page has seen.
 *
 * @typedef {{ id: string, key: string, seq: number }} Scene
 */
/** A message from the gateway. @typedef {{ type: string, [field: string]: any }} Message */

export class Gateway {
  #api;

  /** @param {URL} api The base address of its calls. */
  constructor(api) {
    this.#api = api;
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
    watchdog.restart(TIMEOUT.open);
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(request), signal: watchdog.signal };
    try {
      return { type: 'opened', ...(await readJson(await this.#fetch(this.url('scenes'), init))) };
    } finally {
      watchdog.abort();
    }
  }

  /** Cancels a scene. If the request doesn't arrive, the scene expires. @param {Scene} scene */
  cancel(scene) {
    const init = { method: 'DELETE', headers: Gateway.#authorization(scene), keepalive: true };
    fetch(this.url(`scenes/${scene.id}`), init).catch(() => {});
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
      headers: { ...headers, ...Gateway.#authorization(scene) },
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
    const answer = await fetch(url, { ...init, cache: 'no-store', credentials: 'omit' }).catch(() => null);
    if (!answer) throw ConnectionEnd.lost();
    if (answer.ok) return answer;
    const { code, detail } = await answer.json().catch(() => ({}));
    const retryAfter = Number(answer.headers.get('retry-after')) || undefined;
    const problem = code ? { code, detail, retryAfter } : null;
    // Random, so that pages that were refused together don't come back together.
    if (retryAfter) throw ConnectionEnd.retry(retryAfter * 1000 * (1 + Math.random()), problem);
    if (answer.status === 500) throw ConnectionEnd.retry(AFTER_INTERNAL_ERROR, problem);
    // An error without a code comes from a proxy, not from the gateway.
    throw problem ? ConnectionEnd.refused(problem) : ConnectionEnd.lost();
  }
}

/** The JSON of an answer. @param {Response} answer */
export async function readJson(answer) {
  return answer.json().catch(() => {
    throw ConnectionEnd.lost();
  });
}
