/** When the page connects again after its connection broke, and by which transport. */

import { TransportSelector } from './transport_selector.js';

/**
 * Backoff between connections, in ms. The pages of a pod that fails come back over the first delay; pods without room for
 * them say when to come back.
 */
const BACKOFF = { first: 1_000, longest: 15_000 };
/**
 * After a dead connection, the page connects at once: that says nothing about the pod, and pages notice it one by one.
 * If one died, the browser may have others in its pool that died with it, so the page tries as often as this.
 */
const MAX_DEAD = 3;

/** @typedef {import('./connection_end.js').ConnectionEnd} ConnectionEnd */

/** @template Transport */
export class Reconnection {
  #selector;
  #patience;
  /** Connections lost since the last message with a state. */
  #failures = 0;
  /** Connections that were dead, since the last message with a state. */
  #dead = 0;
  /** Whether the page has waited in vain for a first message since all transports had failed, or from the start. */
  #wasLate = false;

  /** @param {Transport[]} transports Best first. @param {import('./patience.js').Patience} patience */
  constructor(transports, patience) {
    this.#selector = new TransportSelector(transports);
    this.#patience = patience;
  }

  /** The transport for a new connection; none if this page can use none. @returns {Transport | undefined} */
  begin() {
    return this.#selector.begin();
  }

  /** Has to be called when the transport brings a message. */
  messageReceived() {
    this.#selector.messageReceived();
  }

  /** Has to be called when a message with a state came, and when the page's user begins anew. */
  reset() {
    this.#failures = 0;
    this.#dead = 0;
  }

  /** Has to be called when this page can't use the transport. The next one is used from now on. */
  removeTransport() {
    this.#selector.remove();
  }

  /**
   * Has to be called when the connection broke, by the way in which it did.
   *
   * @param {ConnectionEnd['kind']} kind
   * @returns {number | null} After how many ms to connect; null for at once, which needn't be told.
   */
  delayAfter(kind) {
    if (kind === 'silent' || this.#dead) this.#dead += 1;
    if (kind === 'late') this.#wasLate = true;
    const nextTransport = this.#selector.connectionBroke();
    const wasDead = this.#dead > 0 && this.#dead <= MAX_DEAD;
    if (nextTransport === 'untried' || wasDead) return null;
    // Not sooner: connections of the browser's pool may be dead, and say nothing about the network.
    if (nextTransport === 'first') this.#allFailed();
    return Math.random() * Math.min(BACKOFF.longest, BACKOFF.first * 2 ** this.#failures++);
  }

  /** On a network where nothing came in time, all transports get more of it. */
  #allFailed() {
    if (this.#wasLate) this.#patience.grow();
    this.#wasLate = false;
  }
}
