/** Which transport to use: the first that works here, for the page's life. */

/** A connection that lived so long, in ms, broke for reasons of its own: proxies that break them do so sooner. */
const SOON = 10_000;
/** So many times in a row a transport that has worked may break before another is tried: pods come and go. */
const STRIKES = 3;

/** @template Transport */
export class Choice {
  #transports;
  /** The one to use. */
  #at = 0;
  /** The one that worked last, or the first. */
  #home = 0;
  #works = false;
  #strikes = 0;
  /** When it last began to work. @type {number | null} */
  #since = null;

  /** @param {Transport[]} transports Best first. */
  constructor(transports) {
    this.#transports = transports;
  }

  /** The transport for a connection that begins now. */
  begin() {
    this.#since = null;
    return this.#transports[this.#at];
  }

  /** The transport brings what the gateway says. */
  works() {
    if (this.#since) return;
    this.#since = Date.now();
    if (this.#at !== this.#home) this.#strikes = 0;
    this.#home = this.#at;
    this.#works = true;
  }

  /**
   * The transport broke, or never worked. Where that may be the fault of something on the way, the next is used
   * from now on.
   *
   * @returns {boolean} Whether to use it at once: not when all have been tried.
   */
  broke() {
    const lived = this.#since ? Date.now() - this.#since : 0;
    if (lived >= SOON) this.#strikes = 0;
    else this.#strikes += 1;
    const hasWorked = this.#works && this.#at === this.#home;
    if (this.#strikes < (hasWorked ? STRIKES : 1)) return false;
    this.#strikes = 0;
    this.#at = (this.#at + 1) % this.#transports.length;
    return this.#at !== this.#home;
  }
}
