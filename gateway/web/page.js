/** What the module needs of the page that it runs in. */

/** The events after which a connection may be dead, or may work again. */
const LOOK_EVENTS = /** @type {const} */ ({
  document: ['visibilitychange', 'resume'],
  window: ['focus', 'online', 'pageshow'],
});

/**
 * Calls `act` when a connection may be dead, or may work again, and the user can see the page.
 *
 * @param {() => void} act
 * @param {AbortSignal} signal
 */
export function onLook(act, signal) {
  const look = () => document.visibilityState === 'visible' && act();
  for (const type of LOOK_EVENTS.document) document.addEventListener(type, look, { signal });
  for (const type of LOOK_EVENTS.window) window.addEventListener(type, look, { signal });
}

/** The page's language, if it says one. */
export function pageLocale() {
  return localeTag(document.documentElement.lang || navigator.language);
}

/**
 * A language tag, also of a locale as POSIX writes it, such as `zh_CN.UTF-8`.
 *
 * @param {string} locale
 */
export function localeTag(locale) {
  const tag = locale.replace(/[.@].*$/, '').replaceAll('_', '-');
  return /^[A-Za-z0-9-]{2,35}$/.test(tag) ? tag : undefined;
}
