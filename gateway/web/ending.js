/** How a connection to the gateway ends, whatever carried it. */

/**
 * What a gateway says is wrong.
 *
 * @typedef {{ code: string, detail: string, retryAfter?: number }} Problem
 */

/** Thrown, or returned, where a connection ends. */
export class Ending {
  /**
   * @param {'lost' | 'later' | 'refused'} kind It broke; or the gateway says to come back, or that it would
   *     refuse again.
   * @param {number} delay When to come back, in ms, if the gateway says so.
   * @param {Problem | null} problem What the gateway says is wrong.
   */
  constructor(kind, delay, problem) {
    this.kind = kind;
    this.delay = delay;
    this.problem = problem;
  }

  /** It broke, or never worked. */
  static lost() {
    return new Ending('lost', 0, null);
  }

  /** @param {number} delay In ms. @param {Problem | null} problem */
  static later(delay, problem) {
    return new Ending('later', delay, problem);
  }

  /** @param {Problem} problem */
  static refused(problem) {
    return new Ending('refused', 0, problem);
  }

  /** The gateway has nothing more to say. */
  static closed() {
    return Ending.refused({ code: 'closed', detail: 'The gateway has nothing more to say of this scene' });
  }
}

/** Aborts what is under way when nothing is heard of it for too long, or when nobody wants it any more. */
export class Patience {
  #controller = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {AbortSignal} unwanted */
  constructor(unwanted) {
    const { signal } = this.#controller;
    unwanted.addEventListener('abort', () => this.lose(), { once: true, signal });
    if (unwanted.aborted) this.lose();
  }

  /** Aborted when patience is lost. */
  get signal() {
    return this.#controller.signal;
  }

  /** Has it last for so many ms from now. @param {number} ms */
  renew(ms) {
    this.rest();
    this.#timer = setTimeout(() => this.lose(), ms);
  }

  /** Has it last until it is lost. */
  rest() {
    clearTimeout(this.#timer);
  }

  lose() {
    this.rest();
    this.#controller.abort();
  }
}
