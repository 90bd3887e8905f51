/** The texts of the login box, in English and Chinese. No I/O. */

/** @satisfies {Record<'en' | 'zh', Record<string, string>>} */
const TEXTS = {
  en: {
    remaining: 'Valid for',
    scanStep: 'Scan',
    confirmStep: 'Confirm',
    sendStep: 'Send',
    continueStep: 'Continue',
    doneStep: 'Logged in',
    qrCode: 'QR code to log in with WeChat',
    miniProgramCode: 'Mini-program code to log in with WeChat',
    digits: 'Code: {digits}',
    preparing: 'Preparing a code…',
    waiting: 'Scan the code with WeChat',
    longPress: 'Press and hold the code',
    typing: 'Send this code in WeChat',
    sendAdvice: 'Open our official account in WeChat and send it these digits as a message.',
    sendToAdvice: 'In WeChat, open “{account}” and send it these digits as a message.',
    copy: 'Copy code',
    copied: 'Copied',
    scanned: 'Scanned. Please confirm on your phone.',
    picking: 'Scanned. Pick {number} on your phone.',
    another: 'Not you? New code',
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
    tryNow: 'Try now',
    problem: 'Logging in didn’t work',
    newCode: 'New code',
    tryAgain: 'Try again',
    advice: 'Please try again. If it keeps happening, tell the site’s owner: {code}',
    adviceLater: 'Please try again in {seconds} seconds.',
  },
  zh: {
    remaining: '有效时间',
    scanStep: '扫码',
    confirmStep: '确认',
    sendStep: '发送',
    continueStep: '继续',
    doneStep: '登录成功',
    qrCode: '微信登录二维码',
    miniProgramCode: '微信登录小程序码',
    digits: '验证码：{digits}',
    preparing: '请稍候…',
    waiting: '请使用微信扫描二维码',
    longPress: '长按识别二维码',
    typing: '请在微信中发送此验证码',
    sendAdvice: '在微信中打开我们的公众号，将这组数字作为消息发送。',
    sendToAdvice: '在微信中打开“{account}”，将这组数字作为消息发送。',
    copy: '复制验证码',
    copied: '已复制',
    scanned: '已扫码，请在手机上确认',
    picking: '已扫码，请在手机上选择 {number}',
    another: '不是您？换一个码',
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
    tryNow: '立即重试',
    problem: '登录未成功',
    newCode: '重新获取',
    tryAgain: '重试',
    advice: '请重试。如果一直出现，请告知网站管理员：{code}',
    adviceLater: '请在 {seconds} 秒后重试。',
  },
};

/** @typedef {keyof typeof TEXTS.en} TextKey */
/** A text with its `{placeholders}` filled in. @typedef {(key: TextKey, values?: Record<string, unknown>) => string} Translate */

/**
 * The language of the texts for this locale.
 *
 * @param {string | undefined} locale
 * @returns {'en' | 'zh'}
 */
export function languageOf(locale) {
  return locale?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/** @param {'en' | 'zh'} language @returns {Translate} */
export function translator(language) {
  const texts = /** @type {Record<TextKey, string>} */ (TEXTS[language]);
  return (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
