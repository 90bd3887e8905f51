/** The attributes of `<scenecast-login>`, and the options that they stand for. No I/O. */

/**
 * What a login box is told, as frameworks write it.
 *
 * @typedef {object} BoxOptions
 * @property {string | URL} gateway The gateway's address.
 * @property {string} account The name of the account to log in with.
 * @property {string} [state] What ties the login to this browser's session.
 * @property {string} [locale] The language of the box and of the phone's texts; by default the page's.
 * @property {boolean} [keepOnReload] Whether a page that is reloaded in the middle of a login goes on with it.
 * @property {number} [autoRenew] How often an expired code is renewed by itself while the page is visible; 3 by default.
 * @property {string} [accountName] What WeChat calls the account, said beside digits that are sent to it.
 * @property {string} [wechatId] The account's WeChat ID (微信号), said beside digits.
 * @property {'light' | 'dark'} [theme] By default, what the page's `color-scheme` says.
 */

/** @type {Record<keyof BoxOptions, string>} */
const ATTRIBUTES = {
  gateway: 'gateway',
  account: 'account',
  state: 'state',
  locale: 'locale',
  keepOnReload: 'keep-on-reload',
  autoRenew: 'auto-renew',
  accountName: 'account-name',
  wechatId: 'wechat-id',
  theme: 'theme',
};

/** All attributes of the element. */
export const ATTRIBUTE_NAMES = Object.values(ATTRIBUTES);

/**
 * Props, with those that the element knows as attributes. All others are left as they are.
 *
 * @param {Record<string, any>} props
 */
export function attributesOf(props) {
  /** @type {Record<string, unknown>} */
  const attributes = {};
  for (const [name, value] of Object.entries(props)) {
    const attribute = ATTRIBUTES[/** @type {keyof BoxOptions} */ (name)];
    if (!attribute) attributes[name] = value;
    else if (value !== undefined && value !== null && value !== false) attributes[attribute] = String(value);
  }
  return attributes;
}

/**
 * The options of a login by a box with these attributes.
 *
 * @param {(attribute: string) => string | null} read
 * @returns {import('../scenecast.js').Options & { autoRenew?: number }}
 */
export function optionsOf(read) {
  const given = (/** @type {string} */ attribute) => read(attribute) ?? undefined;
  const autoRenew = Number.parseInt(read('auto-renew') ?? '', 10);
  return {
    gateway: given('gateway'),
    account: read('account') ?? '',
    state: given('state'),
    locale: given('locale'),
    ...(read('keep-on-reload') !== null && { keepOnReload: true }),
    ...(autoRenew >= 0 && { autoRenew }),
  };
}
