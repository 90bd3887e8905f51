/** What can be asked of a gateway by HTTP. */

import { Ending, Patience } from './ending.js';

/** How long a gateway may take: to open a scene, for which it asks WeChat, or for anything else, in ms. */
export const PATIENCE = { open: 8_000, any: 5_000 };
/** How long to leave a gateway alone that has failed, in ms. */
const FAILED = 5_000;

/** A scene, and how far it is known. @typedef {{ id: string, key: string, seq: number }} Scene */
/** What a gateway says. @typedef {{ type: string, [field: string]: any }} Frame */

export class Gateway {
  #api;

  /** @param {URL} api Where its calls are. */
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
   * @returns {Promise<Frame>} What a socket would say.
   */
  async open(request, unwanted) {
    const patience = new Patience(unwanted);
    patience.renew(PATIENCE.open);
    const headers = { 'content-type': 'application/json' };
    const asked = { method: 'POST', headers, body: JSON.stringify(request), signal: patience.signal };
    try {
      return { type: 'opened', ...(await read(await this.#ask(this.url('scenes'), asked))) };
    } finally {
      patience.lose();
    }
  }

  /** Gives a scene up. Where this does not arrive, the scene expires. @param {Scene} scene */
  giveUp(scene) {
    const asked = { method: 'DELETE', headers: Gateway.#authorization(scene), keepalive: true };
    fetch(this.url(`scenes/${scene.id}`), asked).catch(() => {});
  }

  /**
   * Asks about a scene.
   *
   * @param {Scene} scene
   * @param {string} path Below the scene's.
   * @param {Record<string, string>} headers
   * @param {AbortSignal} signal
   */
  about(scene, path, headers, signal) {
    return this.#ask(this.url(`scenes/${scene.id}${path}`), {
      headers: { ...headers, ...Gateway.#authorization(scene) },
      signal,
    });
  }

  /** @param {Scene} scene */
  static #authorization({ key }) {
    return { authorization: `Bearer ${key}` };
  }

  /**
   * A good answer; any other is thrown as what it means.
   *
   * @param {URL} url
   * @param {RequestInit} asked
   */
  async #ask(url, asked) {
    const answer = await fetch(url, { ...asked, cache: 'no-store', credentials: 'omit' }).catch(() => null);
    if (!answer) throw Ending.lost();
    if (answer.ok) return answer;
    const { code, detail } = await answer.json().catch(() => ({}));
    const retryAfter = Number(answer.headers.get('retry-after')) || undefined;
    const problem = code ? { code, detail, retryAfter } : null;
    // Spread, so that those who were refused together don't come back together.
    if (retryAfter) throw Ending.later(retryAfter * 1000 * (1 + Math.random()), problem);
    if (answer.status === 500) throw Ending.later(FAILED, problem);
    // What has no code comes from something between here and the gateway.
    throw problem ? Ending.refused(problem) : Ending.lost();
  }
}

/** The JSON of an answer. @param {Response} answer */
export async function read(answer) {
  return answer.json().catch(() => {
    throw Ending.lost();
  });
}
