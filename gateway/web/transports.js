/**
 * The transports. Each passes on a scene's messages, from the event after `scene.seq` until its connection ends. All
 * of them pass on the messages that the WebSocket has, and return how the connection ended.
 */

import { ConnectionEnd, Watchdog } from './connection_end.js';
import { TIMEOUT, readJson } from './gateway.js';

/** The gateway sends a comment on an idle stream at least this often, in ms. */
const HEARTBEAT = 25_000;
/** How long a poll waits, in s: less than the longest where a proxy cuts off long requests. */
const POLL_WAIT = { longest: 25, shortest: 1 };
/** A poll that failed after so many ms was cut off by a proxy. One that failed sooner just failed. */
const CUT_OFF_AFTER = 500;
/** The least time from one poll without events to the next, in ms. */
const MIN_POLL_INTERVAL = 500;
/** States of a scene without further events. */
const FINAL_STATES = new Set(['confirmed', 'redeemed', 'declined', 'cancelled']);

/** Close codes after which the same would happen again: done, unsupported, policy, and too big. */
const FINAL_CLOSES = new Set([1000, 1003, 1008, 1009]);
/** Close codes with a delay in their reason: restart, and try again later. */
const RETRY_CLOSES = new Set([1012, 1013]);

/** @typedef {(message: import('./gateway.js').Message) => void} OnMessage */
/** @typedef {import('./gateway.js').Scene} Scene */
/** @typedef {import('./gateway.js').Gateway} Gateway */

/** A WebSocket, which can open its scene itself. */
export class SocketTransport {
  canOpen = true;
  #gateway;
  #request;

  /** @param {Gateway} gateway @param {object} request The body of the call that opens a scene. */
  constructor(gateway, request) {
    this.#gateway = gateway;
    this.#request = request;
  }

  /**
   * @param {Scene | null} scene
   * @param {OnMessage} onMessage
   * @param {AbortSignal} unwanted
   * @returns {Promise<ConnectionEnd>}
   */
  run(scene, onMessage, unwanted) {
    const first = scene ? { resume: { key: scene.key, after: scene.seq } } : { open: this.#request };
    const url = this.#gateway.url('ws');
    url.protocol = url.protocol.replace('http', 'ws');
    const watchdog = new Watchdog(unwanted);
    return new Promise((resolve) => {
      const socket = new WebSocket(url, 'scenecast.v1');
      /** @type {import('./connection_end.js').Problem | null} */
      let problem = null;
      socket.addEventListener('open', () => socket.send(JSON.stringify(first)));
      socket.addEventListener('message', ({ data }) => {
        watchdog.stop();
        const message = JSON.parse(data);
        if (message.type === 'problem') problem = problemOf(message);
        else onMessage(message);
      });
      socket.addEventListener('close', ({ code, reason }) => {
        watchdog.stop();
        resolve(SocketTransport.#endOf(code, reason, problem));
      });
      watchdog.signal.addEventListener('abort', () => {
        resolve(ConnectionEnd.lost());
        socket.close();
      });
      watchdog.restart(scene ? TIMEOUT.other : TIMEOUT.open);
    });
  }

  /** @param {number} code @param {string} reason @param {import('./connection_end.js').Problem | null} problem */
  static #endOf(code, reason, problem) {
    if (FINAL_CLOSES.has(code)) return problem ? ConnectionEnd.refused(problem) : ConnectionEnd.closed();
    const delay = RETRY_CLOSES.has(code) && /retry_after_ms=(\d+)/.exec(reason);
    return delay ? ConnectionEnd.retry(Number(delay[1]), problem) : ConnectionEnd.lost();
  }
}

/** Server-sent events, read by `fetch`, since an `EventSource` can't send the key in a header. */
export class StreamTransport {
  canOpen = false;
  #gateway;

  /** Whether this browser can read a response before it is complete. */
  static get supported() {
    return typeof ReadableStream === 'function' && 'body' in Response.prototype;
  }

  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.#gateway = gateway;
  }

  /**
   * @param {Scene} scene
   * @param {OnMessage} onMessage
   * @param {AbortSignal} unwanted
   * @returns {Promise<ConnectionEnd>}
   */
  async run(scene, onMessage, unwanted) {
    const watchdog = new Watchdog(unwanted);
    // The time also includes the first event: a proxy that buffers the body passes on the head at once.
    watchdog.restart(TIMEOUT.other);
    let state = '';
    try {
      const headers = { 'last-event-id': String(scene.seq) };
      const answer = await this.#gateway.get(scene, '/events', headers, watchdog.signal);
      if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return ConnectionEnd.lost();
      const onData = () => watchdog.restart(HEARTBEAT + TIMEOUT.other);
      for await (const { event, data, retry } of events(answer.body, onData)) {
        const message = JSON.parse(data);
        const problem = event === 'problem' ? problemOf(message) : null;
        if (retry) return ConnectionEnd.retry(Number(retry), problem);
        if (problem) return ConnectionEnd.refused(problem);
        state = message.state ?? state;
        onMessage(message);
      }
      return FINAL_STATES.has(state) ? ConnectionEnd.closed() : ConnectionEnd.lost();
    } catch (broken) {
      return broken instanceof ConnectionEnd ? broken : ConnectionEnd.lost();
    } finally {
      watchdog.abort();
    }
  }
}

/** Long poll. */
export class PollTransport {
  canOpen = false;
  #gateway;
  #wait = POLL_WAIT.longest;

  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.#gateway = gateway;
  }

  /**
   * @param {Scene} scene
   * @param {OnMessage} onMessage
   * @param {AbortSignal} unwanted
   * @returns {Promise<ConnectionEnd>}
   */
  async run(scene, onMessage, unwanted) {
    let { seq } = scene;
    try {
      // The first poll doesn't wait, and brings the state.
      for (let wait = 0; ; wait = this.#wait) {
        const sentAt = Date.now();
        const answer = await this.#poll(scene, seq, wait, unwanted);
        if (!answer) continue;
        const { state, expires_in, events, retry_after_ms: reconnectIn } = answer;
        if (wait === 0) onMessage({ type: 'resumed', scene: scene.id, state, expires_in });
        for (const event of events) {
          seq = event.seq;
          onMessage(event);
        }
        if (state === 'expired') onMessage({ type: 'expired' });
        if (reconnectIn !== undefined) return ConnectionEnd.retry(reconnectIn, null);
        if (events.length) continue;
        if (FINAL_STATES.has(state)) return ConnectionEnd.closed();
        await pause(sentAt + MIN_POLL_INTERVAL - Date.now());
      }
    } catch (broken) {
      return broken instanceof ConnectionEnd ? broken : ConnectionEnd.lost();
    }
  }

  /**
   * An answer, or null if a proxy cut off the request because it waited too long.
   *
   * @param {Scene} scene
   * @param {number} seq
   * @param {number} wait
   * @param {AbortSignal} unwanted
   */
  async #poll(scene, seq, wait, unwanted) {
    const watchdog = new Watchdog(unwanted);
    watchdog.restart(wait * 1000 + TIMEOUT.other);
    const sentAt = Date.now();
    try {
      return await readJson(await this.#gateway.get(scene, `?after=${seq}&wait=${wait}`, {}, watchdog.signal));
    } catch (broken) {
      const wasLost = broken instanceof ConnectionEnd && broken.kind === 'lost';
      const wasCutOff = wasLost && Date.now() - sentAt > CUT_OFF_AFTER;
      if (unwanted.aborted || !wasCutOff || wait <= POLL_WAIT.shortest) throw broken;
      this.#wait = Math.max(POLL_WAIT.shortest, Math.floor(wait / 2));
      return null;
    } finally {
      watchdog.abort();
    }
  }
}

/**
 * The events of a response (WHATWG HTML section 9.2, as far as the gateway uses it).
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} onData Called for everything that arrives, also for comments.
 */
async function* events(body, onData) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onData();
      const blocks = (text + decoder.decode(value, { stream: true })).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = Object.fromEntries(block.split('\n').map((line) => /^(\w*): ?(.*)/.exec(line)?.slice(1) ?? []));
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {import('./gateway.js').Message} message */
function problemOf({ code, detail, retry_after: retryAfter }) {
  return { code, detail, retryAfter };
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
