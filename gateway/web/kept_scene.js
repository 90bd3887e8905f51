/** Keeps a scene in the tab's `sessionStorage`, so that a page that is reloaded goes on with it. */

/** @typedef {{ id: string, key: string }} StoredScene */
/** @typedef {import('./details.js').Shown} Shown */

export class KeptScene {
  #name;
  #request;
  #isStored = false;

  /** @param {URL} api The gateway's address. @param {object} request The body of the call that opens a scene. */
  constructor(api, request) {
    this.#name = `scenecast ${api.href}`;
    this.#request = JSON.stringify(request);
  }

  /**
   * The scene that was kept, if it was opened with the same request: a scene is of one account, and its grant is bound to
   * one `state`. The gateway knows whether it can still bring a login; the page's clock may have been set.
   *
   * @returns {{ scene: StoredScene, shown: Shown } | null}
   */
  load() {
    try {
      const { request, scene, shown } = JSON.parse(sessionStorage.getItem(this.#name) ?? 'null');
      const isScene = typeof scene.id === 'string' && typeof scene.key === 'string';
      this.#isStored = Boolean(isScene && shown && request === this.#request);
      return this.#isStored ? { scene, shown } : null;
    } catch {
      return null;
    }
  }

  /** Whether a page that is loaded again will find the scene. */
  get isStored() {
    return this.#isStored;
  }

  /** @param {StoredScene} scene @param {Shown} shown */
  save({ id, key }, shown) {
    const kept = { request: this.#request, scene: { id, key }, shown };
    this.#isStored = storageAllows(() => sessionStorage.setItem(this.#name, JSON.stringify(kept)));
  }

  remove() {
    storageAllows(() => sessionStorage.removeItem(this.#name));
    this.#isStored = false;
  }
}

/**
 * Whether it worked. The storage throws where cookies are blocked, and when it is full.
 *
 * @param {() => void} act
 */
function storageAllows(act) {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
