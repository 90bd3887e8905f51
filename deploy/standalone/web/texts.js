/** The texts of the login page around its box, in English and Chinese. */

const TEXTS = {
  en: {
    title: 'Log in with WeChat',
    phoneScans: 'Scan with the simulated phone',
    phoneSends: 'Send it from the simulated phone',
    ways: 'Ways to log in',
    scanWay: 'Scan a QR code',
    sendWay: 'Send a code',
    pickWay: 'Pick a number',
    backend: 'What the site’s backend got',
    again: 'Log in again',
    tryAgain: 'Try again',
    advice: 'Logging in didn’t work. Please try again. If it keeps happening, tell the site’s owner: {code}',
  },
  zh: {
    title: '微信登录',
    phoneScans: '用模拟手机扫码',
    phoneSends: '用模拟手机发送',
    ways: '登录方式',
    scanWay: '扫二维码',
    sendWay: '发送验证码',
    pickWay: '选择数字',
    backend: '网站后端收到的内容',
    again: '再次登录',
    tryAgain: '重试',
    advice: '登录未成功，请重试。如果一直出现，请告知网站管理员：{code}',
  },
};

/** The first of the browser's languages that has texts here, or else English. */
const chosen = navigator.languages.map((tag) => tag.split('-')[0]).find((tag) => tag in TEXTS) ?? 'en';

/**
 * A text with its `{placeholders}` filled in.
 *
 * @param {keyof typeof TEXTS.en} key
 * @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  return TEXTS[chosen][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Sets the document's language, title and fixed texts. */
export function translateDocument() {
  document.documentElement.lang = { en: 'en', zh: 'zh-CN' }[chosen];
  document.title = `${text('title')} · Scenecast`;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll('[data-label]')) element.ariaLabel = text(element.dataset.label);
}
