/**
 * Scenecast in Vue: a login box as a component, and a composable for a box of your own.
 *
 *     <ScenecastLogin gateway="https://gateway.example.com" account="demo" :state="state" :on-confirmed="redeem" />
 *
 * @module @scenecast/browser/vue
 */

import { defineComponent, h, onBeforeUnmount, onMounted, shallowReadonly, shallowRef, toValue, watch } from 'vue';
import { attributesOf } from './element/attributes.js';
import { defineLogin } from './element/login_element.js';
import { login } from './index.js';
import { PREPARING } from './login/login_state.js';
import { keyOf, sharedLogin } from './login/shared_login.js';

/** @typedef {import('./login/login_state.js').LoginState} LoginState */
/** @typedef {import('./login/shared_login.js').SharedLogin} SharedLogin */
/** @typedef {import('./element/login_element.js').Confirmation} Confirmation */
/** @typedef {import('./element/login_element.js').ConfirmedEvent} ConfirmedEvent */
/** @typedef {import('./index.js').Options & { autoRenew?: number }} LoginOptions */

/**
 * The login with these options, which may change; equal options are the same login. It begins when the component is
 * mounted, so never on a server.
 *
 * @param {import('vue').MaybeRefOrGetter<LoginOptions>} options
 */
export function useLogin(options) {
  const state = shallowRef(PREPARING);
  /** @type {SharedLogin | undefined} */
  let shared;
  /** @type {(() => void) | undefined} */
  let unsubscribe;
  const subscribe = () => {
    const next = sharedLogin(toValue(options), login);
    if (next === shared) return;
    unsubscribe?.();
    shared = next;
    state.value = next.state;
    unsubscribe = next.subscribe(() => {
      state.value = next.state;
    });
  };
  onMounted(() => {
    subscribe();
    watch(() => keyOf(toValue(options)), subscribe);
  });
  onBeforeUnmount(() => unsubscribe?.());
  return {
    state: shallowReadonly(state),
    renew: () => shared?.renew(),
    cancel: () => shared?.cancel(),
    reconnect: () => shared?.reconnect(),
    remaining: () => shared?.remaining ?? 0,
  };
}

/**
 * A login box. `onConfirmed` gets the login once its person has agreed to it. If it returns a promise, the box says that
 * it is logging in until the promise is settled, then that the person is logged in, or that it didn't work.
 */
export const ScenecastLogin = defineComponent({
  name: 'ScenecastLogin',
  props: {
    gateway: { type: /** @type {import('vue').PropType<string | URL>} */ ([String, URL]), required: true },
    account: { type: String, required: true },
    state: String,
    locale: String,
    keepOnReload: Boolean,
    autoRenew: Number,
    accountName: String,
    wechatId: String,
    theme: /** @type {import('vue').PropType<'light' | 'dark'>} */ (String),
    onConfirmed: {
      type: /** @type {import('vue').PropType<(login: Confirmation) => unknown>} */ (Function),
      required: true,
    },
    onProblem: /** @type {import('vue').PropType<(problem: import('./index.js').Details['problem']) => void>} */ (Function),
  },
  setup(props, { slots }) {
    onMounted(() => defineLogin(login));
    return () => {
      const { onConfirmed, onProblem, ...attributes } = props;
      return h(
        'scenecast-login',
        {
          ...attributesOf(attributes),
          onConfirmed: (/** @type {ConfirmedEvent} */ event) => event.waitUntil(onConfirmed(event.detail)),
          onProblem: (/** @type {CustomEvent} */ { detail }) => onProblem?.(detail),
        },
        slots.default?.(),
      );
    };
  },
});
