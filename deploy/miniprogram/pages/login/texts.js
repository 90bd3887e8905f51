/** The texts of the login page. */
const TEXTS = {
  en: {
    loading: 'One moment…',
    ask: 'Log in on this page?',
    pick: 'Which number does the page show?',
    site: 'Site',
    host: 'Page',
    address: 'Its address',
    browser: 'Its browser',
    unknown: 'unknown',
    warning: 'If you did not open this page yourself, somebody else wants to log in as you.',
    confirm: 'Log in',
    decline: 'That is not me',
    confirmed: 'You are logged in. Please go back to the page.',
    declined: 'Nobody was logged in.',
    noCode: 'Please scan the code on the page that you want to log in to.',
    scene_unknown: 'This code is unknown. Please get a new one on the page.',
    scene_expired: 'This code has expired. Please get a new one on the page.',
    scene_taken: 'Somebody else was first with this code. Please get a new one on the page.',
    scene_answered: 'This code was used before. Please get a new one on the page.',
    person_blocked: 'WeChat does not let you log in.',
    problem: 'That did not work. Please try again a little later.',
    again: 'Try again',
  },
  zh: {
    loading: '请稍候…',
    ask: '确认登录此网页？',
    pick: '网页上显示的是哪个数字？',
    site: '网站',
    host: '网页',
    address: '来源地址',
    browser: '浏览器',
    unknown: '未知',
    warning: '如果不是您本人打开的网页，说明有人想以您的身份登录。',
    confirm: '确认登录',
    decline: '不是我',
    confirmed: '登录成功，请回到网页继续。',
    declined: '已拒绝登录。',
    noCode: '请扫描要登录的网页上的小程序码。',
    scene_unknown: '无法识别此小程序码，请刷新网页上的小程序码。',
    scene_expired: '小程序码已过期，请刷新网页上的小程序码。',
    scene_taken: '此小程序码已被他人使用，请刷新网页上的小程序码。',
    scene_answered: '此小程序码已使用过，请刷新网页上的小程序码。',
    person_blocked: '微信不允许您登录。',
    problem: '登录未成功，请稍后重试。',
    again: '重试',
  },
};

/** @param {string} language WeChat's language, such as `zh_CN` */
const textsFor = (language) => (language.startsWith('zh') ? TEXTS.zh : TEXTS.en);

module.exports = { textsFor };
