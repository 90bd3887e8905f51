/** The texts of the login page, in English and Chinese. */

const TEXTS = {
  en: {
    title: 'Log in with WeChat',
    remaining: 'Valid for',
    phoneScans: 'Scan with the simulated phone',
    phoneSends: 'Send it from the simulated phone',
    scanWay: 'Scan a QR code',
    sendWay: 'Send a code',
    scanStep: 'Scan',
    scannedStep: 'Scanned',
    sendStep: 'Send',
    continueStep: 'Continue',
    doneStep: 'Logged in',
    backend: 'What the site’s backend got',
    qrCode: 'QR code to log in with WeChat',
    miniProgramCode: 'Mini-program code to log in with WeChat',
    digits: 'Code: {digits}',
    preparing: 'Preparing a code…',
    waiting: 'Scan the code with WeChat',
    typing: 'Send this code in WeChat',
    typingAdvice: 'Open our official account in WeChat and send it these digits as a message.',
    scanned: 'Scanned. Please confirm on your phone.',
    picking: 'Scanned. Pick {number} on your phone.',
    asking: 'Continue as {name}?',
    askingAdvice: 'This code was sent from {name}’s WeChat. Continue only if that is you.',
    continue: 'Continue',
    notMe: 'That’s not me',
    redeeming: 'Logging in…',
    loggedIn: 'You are logged in',
    expired: 'This code has expired',
    refused: 'Nobody was logged in',
    declined: 'The login was declined on the phone',
    cancelled: 'This login was cancelled',
    offline: 'Connection lost. Reconnecting…',
    trouble: 'Connection trouble. Please wait…',
    unreachable: 'Can’t reach the login service. Trying again…',
    problem: 'Logging in didn’t work',
    newCode: 'New code',
    tryAgain: 'Try again',
    advice: 'Please try again. If it keeps happening, tell the site’s owner: {code}',
    adviceLater: 'Please try again in {seconds} seconds.',
  },
  zh: {
    title: '微信登录',
    remaining: '有效时间',
    phoneScans: '用模拟手机扫码',
    phoneSends: '用模拟手机发送',
    scanWay: '扫二维码',
    sendWay: '发送验证码',
    scanStep: '扫码',
    scannedStep: '已扫码',
    sendStep: '发送',
    continueStep: '继续',
    doneStep: '登录成功',
    backend: '网站后端收到的内容',
    qrCode: '微信登录二维码',
    miniProgramCode: '微信登录小程序码',
    digits: '验证码：{digits}',
    preparing: '请稍候…',
    waiting: '请使用微信扫描二维码',
    typing: '请在微信中发送此验证码',
    typingAdvice: '在微信中打开我们的公众号，将这组数字作为消息发送。',
    scanned: '已扫码，请在手机上确认',
    picking: '已扫码，请在手机上选择 {number}',
    asking: '以“{name}”的身份继续？',
    askingAdvice: '此验证码由“{name}”的微信发送。如果不是您本人，请不要继续。',
    continue: '继续',
    notMe: '不是我',
    redeeming: '正在登录…',
    loggedIn: '已登录',
    expired: '此码已过期',
    refused: '未登录任何人',
    declined: '已在手机上拒绝登录',
    cancelled: '本次登录已取消',
    offline: '连接已断开，正在重新连接…',
    trouble: '连接出现问题，请稍候…',
    unreachable: '无法连接登录服务，正在重试…',
    problem: '登录未成功',
    newCode: '重新获取',
    tryAgain: '重试',
    advice: '请重试。如果一直出现，请告知网站管理员：{code}',
    adviceLater: '请在 {seconds} 秒后重试。',
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
}
