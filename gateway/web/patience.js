/** How long the page waits for the gateway. */

/**
 * How long something may take on a usual network, in ms: to open a scene, for which the gateway asks WeChat; any other
 * answer; the answer to a look at a connection that may be dead. `late` is how much later than expected a message may
 * come.
 */
export const TIMEOUT = { open: 8_000, other: 5_000, look: 2_000, late: 3_000 };
/** How many times as long each wait is as the one before that was in vain. */
const GROWTH = 4;
/** How many times as long the page waits at most on a slow network. */
const MOST = 8;
/** A WebSocket has its time twice: until it is open, and for its first message. */
const LONGEST_FIRST = 2;

/**
 * On a slow network everything takes longer. So waits in vain make the next ones longer, and an answer shows how long
 * answers take.
 *
 * See docs/decisions/062-the-page-trusts-no-clock-that-can-be-set.md.
 */
export class Patience {
  /** How many times as long as on a usual network the page waits. */
  #factor = 1;
  /** The same by the last answer alone, without what waits in vain have added. */
  #learned = 1;
  /**
   * The wait for a connection's first message, while there is one: since when, and how long that takes at most on a usual
   * network.
   *
   * @type {{ since: number, usual: number } | null}
   */
  #first = null;

  /** @param {number} ms One of {@link TIMEOUT}. */
  for(ms) {
    return ms * this.#factor;
  }

  /** Has to be called when the page begins to wait for a connection's first message. @param {boolean} hasScene */
  waitForFirst(hasScene) {
    this.#first = { since: performance.now(), usual: hasScene ? TIMEOUT.other : TIMEOUT.open };
  }

  /** Has to be called when a message came. The first one shows how long answers take. */
  messageReceived() {
    if (!this.#first) return;
    const { since, usual } = this.#first;
    this.#first = null;
    const took = performance.now() - since;
    // The page would not have waited longer, so it stood still, and that says nothing about the network.
    const stoodStill = took > LONGEST_FIRST * this.for(usual);
    if (!stoodStill) this.#learned = Math.min(MOST, Math.max(1, (2 * took) / usual));
    this.shrink();
  }

  /** Whether the page waits for a connection's first message. */
  get isWaiting() {
    return this.#first !== null;
  }

  /** Has to be called when all transports have failed, and the page has waited in vain for the first message of one. */
  grow() {
    this.#factor = Math.min(MOST, this.#factor * GROWTH);
  }

  /** Whether waits in vain have made the page wait longer. */
  get hasGrown() {
    return this.#factor > this.#learned;
  }

  /** Has to be called when the network may be back. */
  shrink() {
    this.#factor = this.#learned;
  }

  /** What is left of the time for the first message, in ms. */
  get left() {
    if (!this.#first) return 0;
    return Math.max(0, this.#first.since + this.for(this.#first.usual) - performance.now());
  }
}
