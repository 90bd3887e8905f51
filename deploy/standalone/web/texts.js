/** What the login page says, in the browser's language where it is one of ours. */

const TEXTS = {
  en: {
    title: 'Log in with WeChat',
    remaining: 'Valid for',
    phone: 'Scan with the simulated phone',
    scan: 'Scan',
    scannedStep: 'Scanned',
    done: 'Logged in',
    backend: 'What the site’s backend got',
    code: 'QR code to log in with WeChat',
    preparing: 'Preparing a code…',
    waiting: 'Scan the code with WeChat',
    scanned: 'Scanned. Please confirm on your phone.',
    redeeming: 'Scanned. Logging in…',
    loggedIn: 'You are logged in',
    expired: 'This code has expired',
    declined: 'The login was declined on the phone',
    cancelled: 'This login was cancelled',
    offline: 'Connection lost. Reconnecting…',
    unreachable: 'Can’t reach the login service. Trying again…',
    problem: 'Logging in didn’t work',
    newCode: 'New code',
    tryAgain: 'Try again',
    advice: 'Please try again. If it keeps happening, tell the site’s owner: {code}',
    adviceLater: 'Please try again in {seconds} seconds.',
  },
  zh: {
    title: '微信扫码登录',
    remaining: '有效时间',
    phone: '用模拟手机扫码',
    scan: '扫码',
    scannedStep: '已扫码',
    done: '登录成功',
    backend: '网站后端收到的内容',
    code: '微信登录二维码',
    preparing: '正在生成二维码…',
    waiting: '请使用微信扫描二维码',
    scanned: '已扫码，请在手机上确认',
    redeeming: '已扫码，正在登录…',
    loggedIn: '已登录',
    expired: '二维码已过期',
    declined: '已在手机上拒绝登录',
    cancelled: '本次登录已取消',
    offline: '连接已断开，正在重新连接…',
    unreachable: '无法连接登录服务，正在重试…',
    problem: '登录未成功',
    newCode: '刷新二维码',
    tryAgain: '重试',
    advice: '请重试。如果一直出现，请告知网站管理员：{code}',
    adviceLater: '请在 {seconds} 秒后重试。',
  },
};

/** The first of the browser's languages that is one of ours. */
const chosen = navigator.languages.map((tag) => tag.split('-')[0]).find((tag) => tag in TEXTS) ?? 'en';

/**
 * A text, with `{these}` filled in.
 *
 * @param {keyof typeof TEXTS.en} key
 * @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  return TEXTS[chosen][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Puts the document into the chosen language. */
export function translateDocument() {
  document.documentElement.lang = { en: 'en', zh: 'zh-CN' }[chosen];
  document.title = `${text('title')} · Scenecast`;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text);
}
