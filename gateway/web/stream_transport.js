/** Server-sent events, read by `fetch`, since an `EventSource` can't send the key in a header. */

import { ConnectionEnd, Watchdog } from './connection_end.js';
import { Gateway } from './gateway.js';
import { isFirst, parseMessage, problemOf } from './messages.js';
import { TIMEOUT } from './patience.js';
import { FINAL_STATES } from './transports.js';

/** A gateway that doesn't say how often it sends a comment on an idle stream does so within this time, in ms. */
const LONGEST_HEARTBEAT = 25_000;

/** @typedef {import('./transports.js').OnMessage} OnMessage */
/** @typedef {import('./gateway.js').Scene} Scene */

export class StreamTransport {
  canOpen = false;
  #gateway;
  /** Looks at the present connection. */
  #look = () => {};

  /** Whether this browser can read a response before it is complete. */
  static get supported() {
    return Gateway.supported && typeof ReadableStream === 'function' && 'body' in Response.prototype;
  }

  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.#gateway = gateway;
  }

  /** Finds out soon whether the connection still works. */
  look() {
    this.#look();
  }

  /** @param {Scene} scene */
  acknowledge(scene) {
    this.#gateway.acknowledge(scene);
  }

  /**
   * @param {Scene} scene
   * @param {OnMessage} onMessage
   * @param {AbortSignal} unwanted
   * @returns {Promise<ConnectionEnd>}
   */
  async run(scene, onMessage, unwanted) {
    const { patience } = this.#gateway;
    const watchdog = new Watchdog(unwanted);
    // The time also includes the first event: a proxy that buffers the body passes on the head at once.
    watchdog.restart(patience.for(TIMEOUT.other));
    let state = '';
    let heartbeat = LONGEST_HEARTBEAT;
    let lastData = performance.now();
    const onData = () => {
      lastData = performance.now();
      watchdog.restart(heartbeat + patience.for(TIMEOUT.late));
    };
    // What has arrived while the page stood still is read at once. Without any, the connection is dead.
    this.#look = () => {
      if (state && performance.now() - lastData > heartbeat) watchdog.restart(patience.for(TIMEOUT.look));
    };
    try {
      const headers = { 'last-event-id': String(scene.seq) };
      const answer = await this.#gateway.get(scene, '/events', headers, watchdog.signal);
      const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream');
      if (!isStream || !answer.body) return ConnectionEnd.lost();
      for await (const { data, retry } of events(answer.body, onData)) {
        const message = parseMessage(data);
        if (!message || !(state || isFirst(message, true) || message.type === 'restart')) return ConnectionEnd.lost();
        const problem = message.type === 'problem' ? problemOf(message) : null;
        if (retry) return ConnectionEnd.retry(Number(retry), problem);
        if (problem) return ConnectionEnd.refused(problem);
        state = message.state ?? state;
        if (message.heartbeat) heartbeat = message.heartbeat * 1000;
        // The first message shows how long answers take.
        onMessage(message);
        onData();
      }
      return FINAL_STATES.has(state) ? ConnectionEnd.closed() : ConnectionEnd.lost();
    } catch (broken) {
      if (watchdog.isLate) return state ? ConnectionEnd.silent() : ConnectionEnd.late();
      return broken instanceof ConnectionEnd ? broken : ConnectionEnd.lost();
    } finally {
      this.#look = () => {};
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
