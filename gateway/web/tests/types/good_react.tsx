import { ScenecastLogin, useLogin, type Login } from '@scenecast/browser/react';

function Own() {
  const login: Login = useLogin({ gateway: 'https://gateway.example.com', account: 'demo' });
  if (login.step === 'waiting') return <img src={login.opened?.qr?.image} alt="" />;
  return <button onClick={login.renew}>{login.person?.name}</button>;
}

export function Page() {
  return (
    <>
      <ScenecastLogin gateway="https://gateway.example.com" account="demo" className="box" theme="dark"
        onConfirmed={async ({ grant }) => void (await fetch('/session', { method: 'POST', body: grant }))}
        onProblem={({ code }) => console.warn(code)} />
      <Own />
    </>
  );
}
