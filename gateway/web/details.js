/** Messages of the gateway, as the details of events for the site's page. */

/** @typedef {import('./messages.js').Message} Message */
/** The code that a page shows. @typedef {Pick<import('./scenecast.js').Opened, 'qr' | 'miniProgram' | 'code'>} Shown */

/** What the page shows for a new scene. @param {Message} opened @returns {Shown} */
export function shown({ qr, mini_program: miniProgram, code }) {
  // In an `<img>`, an SVG runs no script.
  if (qr) return { qr: { url: qr.url, image: `data:image/svg+xml,${encodeURIComponent(qr.svg)}` } };
  return miniProgram ? { miniProgram } : { code };
}

/** @param {Message} event */
export function scanned({ name, avatar, number }) {
  return number ? { name, avatar, number } : { name, avatar };
}

/** @param {Message} event */
export function confirmed({ name, avatar, grant, typed = false }) {
  return { name, avatar, grant, typed };
}
