import { h } from 'vue';
import { ScenecastLogin } from '@scenecast/browser/react';
import { ScenecastLogin as VueLogin } from '@scenecast/browser/vue';

// Each line that begins a statement below is a mistake.
export const noGateway = <ScenecastLogin account="demo" onConfirmed={() => {}} />;
export const noHandler = <ScenecastLogin gateway="https://x" account="demo" />;
export const misspelt = <ScenecastLogin gateway="https://x" account="demo" onConfirmed={() => {}} onProblme={() => {}} />;
export const noSuchField = <ScenecastLogin gateway="https://x" account="demo" onConfirmed={({ openid }) => openid} />;
export const vueTheme = h(VueLogin, { gateway: 'https://x', account: 'demo', theme: 'blue', onConfirmed() {} });
