/** How a connection to the gateway ends, whatever the transport, and the timer that ends a silent one. */

/**
 * A refusal by the gateway.
 *
 * @typedef {{ code: string, detail: string, retryAfter?: number }} Problem
 */

/** The end of a connection; thrown or returned. */
export class ConnectionEnd {
  /**
   * @param {'lost' | 'late' | 'silent' | 'unusable' | 'retry' | 'refused'} kind The connection broke; nothing came on it
   *     in time; it worked and has gone silent; this browser or page can't have such a connection; the gateway says when
   *     to come back; or the gateway would refuse the same again.
   * @param {number} delay When to come back, in ms, if the gateway says so.
   * @param {Problem | null} problem The gateway's refusal, if there is one.
   */
  constructor(kind, delay, problem) {
    this.kind = kind;
    this.delay = delay;
    this.problem = problem;
  }

  /** The connection broke, or never worked. */
  static lost() {
    return new ConnectionEnd('lost', 0, null);
  }

  /** The page has waited in vain for the connection's first message. */
  static late() {
    return new ConnectionEnd('late', 0, null);
  }

  /** The connection has worked, and is dead though nobody has closed it. */
  static silent() {
    return new ConnectionEnd('silent', 0, null);
  }

  /** The browser has no such connections, or the page's content security policy blocks them. */
  static unusable() {
    return new ConnectionEnd('unusable', 0, null);
  }

  /** @param {number} delay In ms. @param {Problem | null} problem */
  static retry(delay, problem) {
    return new ConnectionEnd('retry', delay, problem);
  }

  /** @param {Problem} problem */
  static refused(problem) {
    return new ConnectionEnd('refused', 0, problem);
  }

  /** The scene has no more events. */
  static closed() {
    return ConnectionEnd.refused({ code: 'closed', detail: 'The gateway has nothing more to say of this scene' });
  }
}

/** Aborts a request or connection when it is silent for too long, or when the page doesn't want it any more. */
export class Watchdog {
  #controller = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isLate = false;

  /** @param {AbortSignal} unwanted */
  constructor(unwanted) {
    const { signal } = this.#controller;
    unwanted.addEventListener('abort', () => this.abort(), { once: true, signal });
    if (unwanted.aborted) this.abort();
  }

  /** Aborted by {@link Watchdog.abort}. */
  get signal() {
    return this.#controller.signal;
  }

  /** Whether it has waited in vain. */
  get isLate() {
    return this.#isLate;
  }

  /** Aborts after so many ms from now, instead of any earlier time, if it hasn't yet. @param {number} ms */
  restart(ms) {
    this.stop();
    if (this.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      this.abort();
    }, ms);
  }

  /** Stops the timer. */
  stop() {
    clearTimeout(this.#timer);
  }

  abort() {
    this.stop();
    this.#controller.abort();
  }
}
