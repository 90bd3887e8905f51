/** A Scenecast of one process, with a simulated WeChat, as `cargo run` starts it. */

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { env } from 'node:process';

const PARTS = ['site', 'gateway', 'callback', 'internal', 'simulator', 'admin', 'qr_on_open'];

export class Scenecast {
  /** @param {{ origins?: string[], sceneLife?: number }} settings */
  static async start({ origins = [], sceneLife = 120 } = {}) {
    const ports = await freePorts(PARTS.length);
    const addresses = Object.fromEntries(PARTS.map((part, at) => [part, `127.0.0.1:${ports[at]}`]));
    const listen = PARTS.map((part) => [`SCENECAST_LISTEN__${part.toUpperCase()}`, addresses[part]]);
    const process = spawn(env.SCENECAST_STANDALONE, {
      env: {
        ...Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SCENECAST_'))),
        ...Object.fromEntries(listen),
        SCENECAST_SCENE_LIFE: `${sceneLife}`,
        SCENECAST_TELEMETRY__LOG: 'warn',
        ...(origins.length && { SCENECAST_ORIGINS: origins.join(',') }),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve, reject) => {
      process.stdout.on('data', (text) => String(text).includes('login page') && resolve());
      process.on('exit', (code) => reject(new Error(`Scenecast ended with ${code}`)));
    });
    return new Scenecast(process, addresses);
  }

  constructor(process, { site, gateway, admin, simulator }) {
    this.process = process;
    this.site = `http://${site}`;
    this.gateway = `http://${gateway}`;
    this.admin = `http://${admin}`;
    this.simulator = `http://${simulator}`;
  }

  /** How many scenes were opened or reached another stage so far. */
  async scenes(stage = 'opened') {
    const metrics = await (await fetch(`${this.admin}/metrics`)).text();
    const series = new RegExp(`^scenecast_scenes_total\\{[^}]*stage="${stage}"[^}]*\\} (\\d+)`, 'gm');
    return [...metrics.matchAll(series)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** A simulated person scans the code with this address. */
  async scan(url) {
    await this.#phone(url, {});
  }

  /** They send this text to the account, such as the answer to its question. */
  async say(text, account = 'demo') {
    await this.#phone(`${this.simulator}/phone/${account}/say`, { text });
  }

  async #phone(url, form) {
    const answer = await fetch(url, { method: 'POST', body: new URLSearchParams({ person: 'ann', ...form }) });
    if (!answer.ok) throw new Error(`${url}: ${answer.status}: ${await answer.text()}`);
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.on('exit', resolve));
    this.process.kill('SIGTERM');
    await ended;
  }
}

/** Ports that are free now. @param {number} count */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
