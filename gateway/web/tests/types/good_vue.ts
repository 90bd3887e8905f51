import { h, ref } from 'vue';
import { ScenecastLogin, useLogin } from '@scenecast/browser/vue';

const account = ref('demo');
export const Own = {
  setup() {
    const { state, renew } = useLogin(() => ({ gateway: 'https://gateway.example.com', account: account.value }));
    return () => h('button', { onClick: renew }, state.value.person?.name);
  },
};
export const page = () => h(ScenecastLogin, {
  gateway: 'https://gateway.example.com', account: 'demo', onConfirmed: ({ grant }) => console.log(grant.length),
});
