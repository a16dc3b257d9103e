import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import {
  ALL_DEVICES,
  DEFAULT_DEVICES,
  type DeviceRule,
  formatDeviceRule,
  parseDeviceRule,
} from './device-rule.ts';
import { foldDeviceRules } from './device-list.ts';
import { compileDeviceList, planDevices } from './v2/devices.ts';

const MKNOD = 1;
const READ = 2;
const WRITE = 4;

/** Runs the opcodes that compileDeviceList() uses, as bpf(2) would. */
function run(program: Uint8Array, type: number, access: number, major: number, minor: number) {
  const view = new DataView(program.buffer);
  const r = new Array<number>(11).fill(0);
  for (let pc = 0; ; pc += 1) {
    const at = pc * 8;
    const dst = view.getUint8(at + 1) & 15;
    const src = view.getUint8(at + 1) >> 4;
    const off = view.getInt16(at + 2, true);
    const imm = view.getInt32(at + 4, true);
    const [a = 0, b = 0] = [r[dst], r[src]];
    switch (view.getUint8(at)) {
      case 0x61:
        r[dst] = [(access << 16) | type, major, minor][off / 4] ?? Number.NaN;
        break;
      case 0x54:
        r[dst] = (a & imm) >>> 0;
        break;
      case 0x74:
        r[dst] = a >>> imm;
        break;
      case 0xbc:
        r[dst] = b;
        break;
      case 0xb7:
        r[dst] = imm;
        break;
      case 0x55:
        if (a !== imm) pc += off;
        break;
      case 0x5d:
        if (a !== b) pc += off;
        break;
      case 0x15:
        if (a === imm) pc += off;
        break;
      case 0x95:
        return r[0] === 1;
      default:
        throw new Error(`opcode ${view.getUint8(at)}`);
    }
  }
}

function allowed(rules: readonly DeviceRule[], type: 'b' | 'c', access: number, numbers: string) {
  const [major = 0, minor = 0] = numbers.split(':').map(Number);
  return run(compileDeviceList(foldDeviceRules(rules)), type === 'c' ? 2 : 1, access, major, minor);
}

test('parseDeviceRule() reads what --device-cgroup-rule takes', () => {
  assert.equal(formatDeviceRule(parseDeviceRule('c 1:3 mr')), 'c 1:3 rm');
  assert.equal(formatDeviceRule(parseDeviceRule('b *:* rwm')), 'b *:* rwm');
  for (const bad of ['', 'c 1:3', 'c 1:3 rx', 'd 1:3 r', 'c 1 r', 'c 5000:1 r', 'c 1:3 rwmr']) {
    assert.throws(
      () => parseDeviceRule(bad),
      (error) =>
        isEngineError(error, 'invalid_argument') &&
        error.message === `invalid device cgroup rule format: '${bad}'`,
    );
  }
});

test('the default list opens the harmless devices and makes any node', () => {
  for (const numbers of [
    '1:3',
    '1:5',
    '1:7',
    '1:8',
    '1:9',
    '5:0',
    '5:1',
    '5:2',
    '136:7',
    '10:200',
  ]) {
    assert.equal(allowed(DEFAULT_DEVICES, 'c', READ | WRITE, numbers), true, numbers);
  }
  for (const numbers of ['1:1', '10:229', '4:0']) {
    assert.equal(allowed(DEFAULT_DEVICES, 'c', READ, numbers), false, numbers);
    assert.equal(allowed(DEFAULT_DEVICES, 'c', MKNOD, numbers), true, numbers);
  }
  assert.equal(allowed(DEFAULT_DEVICES, 'b', READ, '8:0'), false);
  assert.equal(allowed(DEFAULT_DEVICES, 'b', MKNOD, '8:0'), true);
  assert.equal(allowed(DEFAULT_DEVICES, 'b', MKNOD | READ, '8:0'), false);
});

test('rights to one device add up over rules, and later rules take back', () => {
  const r = parseDeviceRule('b 8:0 r');
  const w = parseDeviceRule('b 8:0 w');
  assert.equal(allowed([r], 'b', READ | WRITE, '8:0'), false);
  assert.equal(allowed([r, w], 'b', READ | WRITE, '8:0'), true);
  assert.equal(allowed([r, w, { ...w, allow: false }], 'b', WRITE, '8:0'), false);
  const exceptOne = [...ALL_DEVICES, { ...r, allow: false }];
  assert.equal(allowed(exceptOne, 'b', READ | WRITE, '8:0'), false);
  assert.equal(allowed(exceptOne, 'b', WRITE, '8:0'), true);
  assert.equal(allowed(exceptOne, 'c', READ, '8:0'), true);
});

test('no program is attached when everything is allowed', () => {
  assert.deepEqual(planDevices('/cg/ab', ALL_DEVICES), []);
});
