/**
 * What carries a scene to its page. Each goes on with a scene from the event after `scene.seq` until its
 * connection ends, hands over what the gateway says as the frames of the WebSocket, and answers how it ended.
 */

import { Ending, Patience } from './ending.js';
import { PATIENCE, read } from './gateway.js';

/** The gateway shows at least this often, in ms, that a stream lives. */
const HEARTBEAT = 25_000;
/** How long a poll may wait, in s: as long as the gateway likes; less where something cuts what takes long. */
const WAIT = { longest: 25, shortest: 1 };
/** After so many ms an answer that didn't come was cut off, and didn't just fail. */
const CUT_OFF_AFTER = 500;
/** The least time, in ms, from one poll that brought nothing to the next. */
const POLL_AT_MOST_EVERY = 500;
/** States in which nothing more happens to a scene. */
const OVER = new Set(['confirmed', 'redeemed', 'declined', 'cancelled']);

/** Closes after which the same would only happen again: done, and the kinds of policy. */
const FINAL = new Set([1000, 1003, 1008, 1009]);
/** Closes that come with the delay after which to return: restart, and try again later. */
const RETURN = new Set([1012, 1013]);

/** @typedef {(frame: import('./gateway.js').Frame) => void} Hear */
/** @typedef {import('./gateway.js').Scene} Scene */
/** @typedef {import('./gateway.js').Gateway} Gateway */

/** A WebSocket, which opens its scene itself. */
export class Socket {
  opens = true;
  #gateway;
  #request;

  /** @param {Gateway} gateway @param {object} request What opens a scene. */
  constructor(gateway, request) {
    this.#gateway = gateway;
    this.#request = request;
  }

  /** @param {Scene | null} scene @param {Hear} hear @param {AbortSignal} unwanted @returns {Promise<Ending>} */
  run(scene, hear, unwanted) {
    const first = scene ? { resume: { key: scene.key, after: scene.seq } } : { open: this.#request };
    const url = this.#gateway.url('ws');
    url.protocol = url.protocol.replace('http', 'ws');
    const patience = new Patience(unwanted);
    return new Promise((resolve) => {
      const socket = new WebSocket(url, 'scenecast.v1');
      /** @type {import('./ending.js').Problem | null} */
      let problem = null;
      socket.addEventListener('open', () => socket.send(JSON.stringify(first)));
      socket.addEventListener('message', ({ data }) => {
        patience.rest();
        const frame = JSON.parse(data);
        if (frame.type === 'problem') problem = problemOf(frame);
        else hear(frame);
      });
      socket.addEventListener('close', ({ code, reason }) => {
        patience.rest();
        resolve(Socket.#ending(code, reason, problem));
      });
      patience.signal.addEventListener('abort', () => {
        resolve(Ending.lost());
        socket.close();
      });
      patience.renew(scene ? PATIENCE.any : PATIENCE.open);
    });
  }

  /** @param {number} code @param {string} reason @param {import('./ending.js').Problem | null} problem */
  static #ending(code, reason, problem) {
    if (FINAL.has(code)) return problem ? Ending.refused(problem) : Ending.closed();
    const told = RETURN.has(code) && /retry_after_ms=(\d+)/.exec(reason);
    return told ? Ending.later(Number(told[1]), problem) : Ending.lost();
  }
}

/** Server-sent events, read from a response that goes on. */
export class Stream {
  opens = false;
  #gateway;

  /** Whether this browser reads responses while they come. */
  static get supported() {
    return typeof ReadableStream === 'function' && 'body' in Response.prototype;
  }

  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.#gateway = gateway;
  }

  /** @param {Scene} scene @param {Hear} hear @param {AbortSignal} unwanted @returns {Promise<Ending>} */
  async run(scene, hear, unwanted) {
    const patience = new Patience(unwanted);
    // Not only for the answer: something that keeps it to itself until it is whole lets its head pass.
    patience.renew(PATIENCE.any);
    let state = '';
    try {
      const headers = { 'last-event-id': String(scene.seq) };
      const answer = await this.#gateway.about(scene, '/events', headers, patience.signal);
      if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return Ending.lost();
      for await (const { event, data, retry } of events(answer.body, () => patience.renew(HEARTBEAT + PATIENCE.any))) {
        const frame = JSON.parse(data);
        const problem = event === 'problem' ? problemOf(frame) : null;
        if (retry) return Ending.later(Number(retry), problem);
        if (problem) return Ending.refused(problem);
        state = frame.state ?? state;
        hear(frame);
      }
      return OVER.has(state) ? Ending.closed() : Ending.lost();
    } catch (broken) {
      return broken instanceof Ending ? broken : Ending.lost();
    } finally {
      patience.lose();
    }
  }
}

/** One question after the other. */
export class Poll {
  opens = false;
  #gateway;
  #wait = WAIT.longest;

  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.#gateway = gateway;
  }

  /** @param {Scene} scene @param {Hear} hear @param {AbortSignal} unwanted @returns {Promise<Ending>} */
  async run(scene, hear, unwanted) {
    let { seq } = scene;
    try {
      // The first says where the scene stands.
      for (let wait = 0; ; wait = this.#wait) {
        const asked = Date.now();
        const answer = await this.#ask(scene, seq, wait, unwanted);
        if (!answer) continue;
        const { state, expires_in, events, retry_after_ms: elsewhereIn } = answer;
        if (wait === 0) hear({ type: 'resumed', scene: scene.id, state, expires_in });
        for (const event of events) {
          seq = event.seq;
          hear(event);
        }
        if (state === 'expired') hear({ type: 'expired' });
        if (elsewhereIn !== undefined) return Ending.later(elsewhereIn, null);
        if (events.length) continue;
        if (OVER.has(state)) return Ending.closed();
        await pause(asked + POLL_AT_MOST_EVERY - Date.now());
      }
    } catch (broken) {
      return broken instanceof Ending ? broken : Ending.lost();
    }
  }

  /**
   * An answer, or null where the wait was too long for something on the way.
   *
   * @param {Scene} scene
   * @param {number} seq
   * @param {number} wait
   * @param {AbortSignal} unwanted
   */
  async #ask(scene, seq, wait, unwanted) {
    const patience = new Patience(unwanted);
    patience.renew(wait * 1000 + PATIENCE.any);
    const asked = Date.now();
    try {
      return await read(await this.#gateway.about(scene, `?after=${seq}&wait=${wait}`, {}, patience.signal));
    } catch (broken) {
      const wasCutOff = broken instanceof Ending && broken.kind === 'lost' && Date.now() - asked > CUT_OFF_AFTER;
      if (unwanted.aborted || !wasCutOff || wait <= WAIT.shortest) throw broken;
      this.#wait = Math.max(WAIT.shortest, Math.floor(wait / 2));
      return null;
    } finally {
      patience.lose();
    }
  }
}

/**
 * The events of a response, by the rules of WHATWG HTML section 9.2 as far as the gateway uses them.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} alive Called for whatever comes, comments too.
 */
async function* events(body, alive) {
  const [reader, decoder] = [body.getReader(), new TextDecoder()];
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
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

/** @param {import('./gateway.js').Frame} frame */
function problemOf({ code, detail, retry_after: retryAfter }) {
  return { code, detail, retryAfter };
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
