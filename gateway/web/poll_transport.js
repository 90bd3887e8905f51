/** Long poll. */

import { ConnectionEnd, Watchdog } from './connection_end.js';
import { Gateway, pause, readJson } from './gateway.js';
import { checked } from './messages.js';
import { TIMEOUT } from './patience.js';
import { FINAL_STATES } from './transports.js';

/**
 * How long a poll waits, in s. A connection that died in silence is noticed when the poll should have been answered, so
 * the longest isn't long. It is less where a proxy cuts off requests even sooner.
 */
const POLL_WAIT = { longest: 5, shortest: 1 };
/** A poll that failed after so many ms was cut off by a proxy. One that failed sooner just failed. */
const CUT_OFF_AFTER = 500;
/** The least time from one poll without events to the next, in ms. */
const MIN_POLL_INTERVAL = 500;

/** @typedef {import('./transports.js').OnMessage} OnMessage */
/** @typedef {import('./gateway.js').Scene} Scene */

export class PollTransport {
  canOpen = false;
  #gateway;
  #wait = POLL_WAIT.longest;
  /** Looks at the present poll. */
  #look = () => {};

  static get supported() {
    return Gateway.supported;
  }

  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.#gateway = gateway;
  }

  /** Finds out soon whether the present poll still waits. */
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
    let { seq } = scene;
    try {
      // The first poll doesn't wait, and brings the state.
      for (let wait = 0; ; wait = this.#wait) {
        const sentAt = performance.now();
        const answer = await this.#poll(scene, seq, wait, unwanted);
        if (!answer) continue;
        const { state, expires_in, events, retry_after_ms: reconnectIn } = answer;
        if (wait === 0) onMessage({ type: 'resumed', scene: scene.id, state, expires_in });
        for (const event of events) {
          seq = event.seq ?? seq;
          onMessage(event);
        }
        if (state === 'expired') onMessage({ type: 'expired' });
        if (reconnectIn !== undefined) return ConnectionEnd.retry(reconnectIn, null);
        if (events.length) continue;
        if (FINAL_STATES.has(state)) return ConnectionEnd.closed();
        await pause(sentAt + MIN_POLL_INTERVAL - performance.now());
      }
    } catch (broken) {
      return broken instanceof ConnectionEnd ? broken : ConnectionEnd.lost();
    } finally {
      this.#look = () => {};
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
    const { patience } = this.#gateway;
    watchdog.restart(wait * 1000 + patience.for(wait ? TIMEOUT.late : TIMEOUT.other));
    const sentAt = performance.now();
    // A new poll is as good as a look at the old one.
    this.#look = () => wait && performance.now() - sentAt > patience.for(TIMEOUT.look) && watchdog.abort();
    try {
      const answer = await this.#gateway.get(scene, `?after=${seq}&wait=${wait}`, {}, watchdog.signal);
      return checkedAnswer(await readJson(answer));
    } catch (broken) {
      if (unwanted.aborted) throw broken;
      if (watchdog.signal.aborted) throw wait ? ConnectionEnd.silent() : ConnectionEnd.late();
      const wasLost = broken instanceof ConnectionEnd && broken.kind === 'lost';
      const wasCutOff = wasLost && performance.now() - sentAt > CUT_OFF_AFTER;
      if (!wasCutOff || wait <= POLL_WAIT.shortest) throw broken;
      this.#wait = Math.max(POLL_WAIT.shortest, Math.floor(wait / 2));
      return null;
    } finally {
      watchdog.abort();
    }
  }
}

/** The answer to a poll; thrown as lost if a gateway doesn't give such an answer. @param {any} answer */
function checkedAnswer(answer) {
  const state = checked({ ...answer, type: 'resumed' });
  const events = Array.isArray(answer?.events) && answer.events.map(checked);
  const reconnectIn = answer?.retry_after_ms;
  const isAnswer = state && events && events.every(Boolean) && ['undefined', 'number'].includes(typeof reconnectIn);
  if (!isAnswer) throw ConnectionEnd.lost();
  return { ...answer, events };
}
