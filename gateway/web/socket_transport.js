/** A WebSocket, which can open its scene itself. */

import { ConnectionEnd, Watchdog } from './connection_end.js';
import { isFirst, parseMessage, problemOf } from './messages.js';
import { TIMEOUT } from './patience.js';

/** Close codes after which the same would happen again: done, unsupported, policy, and too big. */
const FINAL_CLOSES = new Set([1000, 1003, 1008, 1009]);
/** Close codes with a delay in their reason: restart, and try again later. */
const RETRY_CLOSES = new Set([1012, 1013]);
/** What the gateway answers at once. Unlike a ping of the protocol, a script can send it and see the answer. */
const PROBE = JSON.stringify({ probe: {} });

/** @typedef {import('./transports.js').OnMessage} OnMessage */
/** @typedef {import('./gateway.js').Scene} Scene */
/** @typedef {import('./gateway.js').Gateway} Gateway */

export class SocketTransport {
  canOpen = true;
  #gateway;
  #request;
  /** Looks at the present connection. */
  #look = () => {};

  static get supported() {
    return typeof WebSocket === 'function' && typeof AbortController === 'function';
  }

  /** @param {Gateway} gateway @param {import('./options.js').OpenRequest} request */
  constructor(gateway, request) {
    this.#gateway = gateway;
    this.#request = request;
  }

  /** Finds out soon whether the connection still works. */
  look() {
    this.#look();
  }

  /** A page acknowledges a login by closing its socket. */
  acknowledge() {}

  /**
   * @param {Scene | null} scene
   * @param {OnMessage} onMessage
   * @param {AbortSignal} unwanted
   * @returns {Promise<ConnectionEnd>}
   */
  run(scene, onMessage, unwanted) {
    const url = this.#gateway.url('ws?heartbeat=1');
    url.protocol = url.protocol.replace('http', 'ws');
    // The gateway keeps nothing of the page, so the page says its language again when it comes back.
    if (scene && this.#request.locale) url.searchParams.set('locale', this.#request.locale);
    /** @type {WebSocket} */
    let socket;
    try {
      socket = new WebSocket(url, 'scenecast.v1');
    } catch {
      return Promise.resolve(ConnectionEnd.unusable());
    }
    const { patience } = this.#gateway;
    const watchdog = new Watchdog(unwanted);
    return new Promise((resolve) => {
      const first = scene ? { resume: { key: scene.key, after: scene.seq } } : { open: this.#request };
      let hasWorked = false;
      /** How often the gateway sends something, in ms; 0 if it doesn't send heartbeats. */
      let heartbeat = 0;
      /** @type {import('./connection_end.js').Problem | null} */
      let problem = null;
      const end = (/** @type {ConnectionEnd | Promise<ConnectionEnd>} */ how) => {
        this.#look = () => {};
        watchdog.stop();
        resolve(how);
        socket.close();
      };
      this.#look = () => {
        if (!heartbeat || socket.readyState !== WebSocket.OPEN) return;
        socket.send(PROBE);
        watchdog.restart(patience.for(TIMEOUT.look));
      };
      const waitForFirst = () => watchdog.restart(patience.for(scene ? TIMEOUT.other : TIMEOUT.open));
      socket.addEventListener('open', () => {
        waitForFirst();
        socket.send(JSON.stringify(first));
      });
      socket.addEventListener('message', ({ data }) => {
        const message = parseMessage(data);
        if (!message || !(hasWorked || isFirst(message, Boolean(scene)))) return end(ConnectionEnd.lost());
        hasWorked = true;
        if (message.type === 'problem') {
          problem = problemOf(message);
          // A close follows.
          return watchdog.restart(patience.for(TIMEOUT.other));
        }
        if (message.heartbeat) heartbeat = message.heartbeat * 1000;
        // The first message shows how long answers take.
        onMessage(message);
        if (heartbeat) watchdog.restart(heartbeat + patience.for(TIMEOUT.late));
        else watchdog.stop();
      });
      socket.addEventListener('close', ({ code, reason }) => end(SocketTransport.#endOf(code, reason, problem)));
      // Where the page's policy blocks the socket, Chromium dispatches no `close`.
      socket.addEventListener('error', () => end(this.#gateway.failureOf(url)));
      watchdog.signal.addEventListener('abort', () => {
        if (problem) return end(ConnectionEnd.refused(problem));
        end(hasWorked ? ConnectionEnd.silent() : ConnectionEnd.late());
      });
      waitForFirst();
    });
  }

  /** @param {number} code @param {string} reason @param {import('./connection_end.js').Problem | null} problem */
  static #endOf(code, reason, problem) {
    if (FINAL_CLOSES.has(code)) return problem ? ConnectionEnd.refused(problem) : ConnectionEnd.closed();
    const delay = RETRY_CLOSES.has(code) && /retry_after_ms=(\d+)/.exec(reason);
    return delay ? ConnectionEnd.retry(Number(delay[1]), problem) : ConnectionEnd.lost();
  }
}
