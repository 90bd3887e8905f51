/** A timer that knows that pages stand still, and that clocks are set. */

/** If a check of a second comes later than this by the page's clock, in ms, the page stood still, or the clock was set. */
const STOOD_STILL = 3_000;

export class PageTimer {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * Runs the action in `ms`, instead of any earlier one. Runs `afterStandstill` when the page has stood still meanwhile,
   * as in a laptop that slept: timers stand still with it.
   *
   * See docs/decisions/062-the-page-trusts-no-clock-that-can-be-set.md.
   *
   * @param {number} ms
   * @param {() => void} action
   * @param {() => void} afterStandstill Has to do no harm: it also runs when somebody sets the page's clock.
   */
  set(ms, action, afterStandstill) {
    const due = performance.now() + ms;
    let checkedAt = Date.now();
    const check = () => {
      const left = due - performance.now();
      this.#timer = setTimeout(left <= 0 ? action : check, Math.max(0, Math.min(left, 1000)));
      const stoodStill = Math.abs(Date.now() - checkedAt) > STOOD_STILL;
      checkedAt = Date.now();
      if (stoodStill) afterStandstill();
    };
    this.stop();
    check();
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
