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

/**
 * On a slow network everything takes longer. So a wait in vain makes the next one longer, and an answer shows how long
 * answers take.
 */
export class Patience {
  /** How many times as long as on a usual network. */
  #factor = 1;

  /** @param {number} ms One of {@link TIMEOUT}. */
  for(ms) {
    return ms * this.#factor;
  }

  /** Has to be called when the page has waited in vain for the first message by each transport. */
  grow() {
    this.#factor = Math.min(MOST, this.#factor * GROWTH);
  }

  /** Has to be called when a connection's first message came. @param {number} ms How long that took. */
  learn(ms) {
    this.#factor = Math.min(MOST, Math.max(1, (2 * ms) / TIMEOUT.other));
  }
}
