/** A headless Chromium. */

import puppeteer from 'puppeteer-core';

/** @param {string} [language] */
export function startChromium(language = 'en-US') {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', `--lang=${language}`, `--accept-lang=${language}`],
  });
}

/** Text of the element with this selector inside the login box, once the box shows it. */
export async function seen(page, selector) {
  const element = await page.waitForSelector(`scenecast-login >>> ${selector}`, { visible: true });
  return element.evaluate(({ textContent }) => textContent);
}
