// What dockerd 20.10 answered of one container on two networks (dockerd-20.10/, captured on Debian
// 12: `network create web`, a container with an alias, an address and a port on it, then `network
// connect bridge`). Ours must be the same value for value, given the same facts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderNetworkSettings } from '#api/container/render-network.ts';
import { renderSummary } from '#api/container/render-summary.ts';
import { renderDetailed } from '#api/network/render.ts';
import { parseTime } from '#base/clock.ts';
import type { ContainerView } from '#container/engine.ts';
import type { Endpoint, Sandbox } from '#network/engine.ts';
import type { ContainerSummary, NetworkSettings } from '#wire/container.ts';
import type { NetworkInspect } from '#wire/network.ts';
import { networkRecord } from '../../api/networks.ts';
import { viewOf } from '../../api/view.ts';

function capture<T>(name: string): T {
  const path = join(import.meta.dirname, 'dockerd-20.10', `network-${name}.json`);
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

const NETWORK = capture<NetworkInspect>('web');
const SETTINGS = capture<NetworkSettings>('settings');
const [ID = ''] = Object.keys(NETWORK.Containers);

function endpoint(name: string, aliases: readonly string[], ip: string | undefined): Endpoint {
  const shown = SETTINGS.Networks[name];
  assert.ok(shown !== undefined);
  return {
    id: shown.EndpointID,
    networkId: shown.NetworkID,
    networkName: name,
    driver: 'bridge',
    interface: 'eth0',
    index: 16,
    hostInterface: 'cv0',
    mac: shown.MacAddress,
    ip: shown.IPAddress,
    prefixLength: shown.IPPrefixLen,
    gateway: shown.Gateway,
    ip6: undefined,
    prefixLength6: 0,
    gateway6: '',
    wish: {
      network: name,
      aliases,
      links: [],
      ip,
      ip6: undefined,
      linkLocalIps: [],
      mac: undefined,
      driverOpts: {},
      gwPriority: 0,
    },
    dnsNames: [],
  };
}

const ENDPOINTS = [endpoint('web', ['www'], '10.9.7.7'), endpoint('bridge', [], undefined)];

const SANDBOX: Sandbox = {
  version: 1,
  containerId: ID,
  containerName: 'site',
  hostname: ID.slice(0, 12),
  path: SETTINGS.SandboxKey,
  endpoints: ENDPOINTS,
  ports: [{ port: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 8080 }],
  waiting: [],
  links: { to: [], exposed: [] },
  rate: undefined,
  dns: { servers: undefined, search: undefined, options: undefined },
  resolvConf: '',
};

function site(): ContainerView {
  const view = viewOf({ Hostname: ID.slice(0, 12), ExposedPorts: { '80/tcp': {}, '81/udp': {} } });
  const networking = Object.fromEntries(ENDPOINTS.map(({ wish }) => [wish.network, wish]));
  return {
    ...view,
    id: ID,
    name: 'site',
    spec: { ...view.spec, networking },
    state: { status: 'running', pid: 7 as never, startedAt: 1n },
    sandbox: SANDBOX,
  };
}

const FACTS = { networks: [], version: '1.41' };
/** Fields that came after 20.10. */
const NEWER = ['EnableIPv4', 'GwPriority', 'DNSNames'];

function without(value: unknown, keys: readonly string[]): unknown {
  return JSON.parse(JSON.stringify(value, (key, each) => (keys.includes(key) ? undefined : each)));
}

test('NetworkSettings of a running container are what dockerd answers', () => {
  const made = ['SandboxID'];
  assert.deepEqual(
    without(renderNetworkSettings(site(), FACTS), [...NEWER, ...made]),
    without(SETTINGS, made),
  );
});

test('a line of ps has the ports and networks that dockerd lists', () => {
  const { Ports, NetworkSettings } = renderSummary(site(), undefined, FACTS);
  const theirs = capture<Pick<ContainerSummary, 'Ports' | 'NetworkSettings'>>('summary');
  // It leaves the aliases out of a list.
  const left = [...NEWER, 'Aliases'];
  assert.deepEqual(without({ Ports, NetworkSettings }, left), without(theirs, left));
});

test('inspect of a network is what dockerd answers', () => {
  const record = networkRecord('web', {
    id: NETWORK.Id,
    createdAt: parseTime(NETWORK.Created) ?? 0n,
    options: { 'com.docker.network.driver.mtu': '1400' },
    labels: { tier: 'front' },
    ipam: {
      driver: 'default',
      options: {},
      subnets: [
        {
          subnet: '10.9.0.0/16',
          ipRange: '10.9.5.0/24',
          gateway: '10.9.0.1',
          auxAddresses: { printer: '10.9.5.0' },
          userConfigured: true,
        },
      ],
    },
  });
  const [member] = ENDPOINTS;
  assert.ok(member !== undefined);
  const endpoints = [{ ...member, containerId: ID, containerName: 'site' }];
  const shown = renderDetailed({ record, predefined: false, endpoints }, () => []);
  assert.deepEqual(without(shown, NEWER), NETWORK);
});
