/** Keeps a scene in the tab's `sessionStorage`, so that a page that is reloaded goes on with it. */

/** @typedef {{ id: string, key: string, expires: number }} StoredScene */
/** @typedef {import('./details.js').Shown} Shown */

export class KeptScene {
  #name;
  #request;

  /** @param {URL} api The gateway's address. @param {object} request The body of the call that opens a scene. */
  constructor(api, request) {
    this.#name = `scenecast ${api.href}`;
    this.#request = JSON.stringify(request);
  }

  /**
   * The scene that was kept, if it is not over and was opened with the same request: a scene is of one account, and its
   * grant is bound to one `state`.
   *
   * @returns {{ scene: StoredScene, shown: Shown } | null}
   */
  load() {
    try {
      const { request, scene, shown } = JSON.parse(sessionStorage.getItem(this.#name) ?? 'null');
      const isScene = typeof scene.id === 'string' && typeof scene.key === 'string' && scene.expires > Date.now();
      return isScene && shown && request === this.#request ? { scene, shown } : null;
    } catch {
      return null;
    }
  }

  /** @param {StoredScene} scene @param {Shown} shown */
  save({ id, key, expires }, shown) {
    const kept = { request: this.#request, scene: { id, key, expires }, shown };
    this.#attempt(() => sessionStorage.setItem(this.#name, JSON.stringify(kept)));
  }

  remove() {
    this.#attempt(() => sessionStorage.removeItem(this.#name));
  }

  /** Where the browser refuses storage, the page does without. @param {() => void} act */
  #attempt(act) {
    try {
      act();
    } catch {
      // Cookies are blocked, or the storage is full.
    }
  }
}
