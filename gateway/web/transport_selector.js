/** Selects the transport: the first that works here, for the page's life. */

/** A connection that lived so long, in ms, was not broken by a proxy: proxies break connections sooner. */
const LONG_LIVED = 10_000;
/** A transport that has worked may break so many times in a row before another is tried, since pods come and go. */
const MAX_FAILURES = 3;

/** @template Transport */
export class TransportSelector {
  #transports;
  /** The index of the transport to use. */
  #current = 0;
  /** The index of the transport that worked last, or of the first. */
  #lastWorking = 0;
  #hasWorked = false;
  #failures = 0;
  /** When the current connection got its first message. @type {number | null} */
  #workingSince = null;

  /** @param {Transport[]} transports Best first. */
  constructor(transports) {
    this.#transports = transports;
  }

  /** The transport for a new connection; none if this page can use none. @returns {Transport | undefined} */
  begin() {
    this.#workingSince = null;
    return this.#transports[this.#current];
  }

  /** Has to be called when the transport brings a message. */
  messageReceived() {
    if (this.#workingSince !== null) return;
    this.#workingSince = performance.now();
    if (this.#current !== this.#lastWorking) this.#failures = 0;
    this.#lastWorking = this.#current;
    this.#hasWorked = true;
  }

  /** Has to be called when this page can't use the transport. The next one is used from now on. */
  remove() {
    this.#transports.splice(this.#current, 1);
    if (this.#lastWorking > this.#current) this.#lastWorking -= 1;
    this.#current %= this.#transports.length || 1;
    this.#lastWorking %= this.#transports.length || 1;
    this.#failures = 0;
  }

  /**
   * Has to be called when the transport broke, or never worked. If a proxy may be the reason, the next transport is
   * used from now on.
   *
   * @returns {'same' | 'untried' | 'first'} Which transport is used from now on: the one that broke; one to try at once;
   *     or, since all have failed, the one that worked last.
   */
  connectionBroke() {
    const lived = this.#workingSince === null ? 0 : performance.now() - this.#workingSince;
    if (lived >= LONG_LIVED) this.#failures = 0;
    else this.#failures += 1;
    const hasWorked = this.#hasWorked && this.#current === this.#lastWorking;
    if (this.#failures < (hasWorked ? MAX_FAILURES : 1)) return 'same';
    this.#failures = 0;
    this.#current = (this.#current + 1) % this.#transports.length;
    return this.#current === this.#lastWorking ? 'first' : 'untried';
  }
}
