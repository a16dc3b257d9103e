// The strongest check of the CLI: for each command line, the real docker CLI talks to a server that
// records what it sends; ours must plan the same body. Needs docker on PATH, no daemon, no root.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { messageOf } from '#base/error.ts';
import { planCreate } from '#cli/create/body.ts';
import { CREATE_FLAGS } from '#cli/create/flags.ts';
import { parseFlags } from '#cli/flags.ts';

const directory = mkdtempSync(join(tmpdir(), 'coracle-create-body-'));
const socket = join(directory, 'docker.sock');
const envFile = join(directory, 'env');
const labelFile = join(directory, 'labels');
const profile = join(directory, 'seccomp.json');
const badEnvFile = join(directory, 'bad-env');

/** Command lines that docker sends to the daemon. */
const SENT: readonly string[] = [
  'busybox',
  'busybox sh -c ls',
  '-it --rm --name web busybox sh',
  '-i busybox cat',
  '-a stdout busybox',
  '-a stdin -a STDERR busybox',
  '-ti -h box --domainname example.org -u 1000:1000 -w /tmp busybox',
  '-e A=1 -e B= -e A=2 -e NOT_SET_ANYWHERE busybox',
  '-eA=1 --env=C=3 busybox',
  `--env-file ${envFile} -e Z=1 busybox`,
  `--label-file ${labelFile} -l a=b -l flag busybox`,
  '--entrypoint /bin/sh busybox -c true',
  '--entrypoint= busybox true',
  '-p 80 -p 8080:80 -p 127.0.0.1:9000:90/udp -p 127.0.0.1::70 busybox',
  '-p 8000-8003:80-83 -p 9000-9010:99 busybox',
  '-p [::1]:8080:80 -p 53:53/udp -p 53:53/tcp busybox',
  '-p published=81,target=80,protocol=udp -P busybox',
  '-p80:80 -p=81:81 busybox',
  '--expose 80 --expose 90-92/udp -p 80:80 busybox',
  '-v /a:/b -v /c -v name:/d:ro -v /a:/b busybox',
  '-v ./rel:/x -v .:/y:rw,z busybox',
  '--tmpfs /run --tmpfs /tmp:size=64m,mode=1777 --shm-size 64m --read-only busybox',
  '--mount type=bind,src=/a,dst=/b,readonly busybox',
  '--mount type=bind,src=/a,dst=/b,ro=false,bind-propagation=rslave busybox',
  '--mount type=bind,src=/a,dst=/b,bind-recursive=disabled busybox',
  '--mount type=bind,src=/a,dst=/b,ro,bind-recursive=writable busybox',
  '--mount type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate busybox',
  '--mount type=bind,src=./x,dst=/b,consistency=cached busybox',
  '--mount src=vol,dst=/v,volume-nocopy,volume-label=a=b,volume-driver=local busybox',
  '--mount src=vol,dst=/v,volume-opt=type=tmpfs,volume-opt=o=size=1m,volume-subpath=s busybox',
  '--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777 busybox',
  '--mount type=image,src=busybox,dst=/i,image-subpath=bin busybox',
  '--mount "type=tmpfs","dst=/a" busybox',
  '-m 64m --memory-reservation 32m --memory-swap -1 --memory-swappiness 10 busybox',
  '--memory-swap 128m --kernel-memory 16m --oom-kill-disable --oom-score-adj -500 busybox',
  '--cpus 1.5 --cpuset-cpus 0-1 --cpuset-mems 0 -c 512 busybox',
  '--cpus=.5 --cpu-period 100000 --cpu-quota 50000 busybox',
  '--cpu-rt-period 1000 --cpu-rt-runtime 950 --pids-limit 64 busybox',
  '--pids-limit -1 --cgroup-parent /x --cgroupns host busybox',
  '--blkio-weight 300 --blkio-weight-device /dev/sda:200 busybox',
  '--device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:2m busybox',
  '--device-read-iops /dev/sda:100 --device-write-iops /dev/sda:200 busybox',
  '--device /dev/fuse --device /dev/a:/dev/b --device /dev/c:r --device /dev/d:/dev/e:rw busybox',
  '--device /dev/x/../y/ --device-cgroup-rule c_1:*_rwm busybox',
  '--device vendor.com/class=gpu0 busybox',
  '--privileged --cap-add NET_ADMIN --cap-add ALL --cap-drop chown busybox',
  '--security-opt no-new-privileges --security-opt label=disable busybox',
  '--security-opt apparmor:unconfined --security-opt no-new-privileges:true busybox',
  '--security-opt seccomp=unconfined --security-opt systempaths=unconfined busybox',
  `--security-opt seccomp=${profile} busybox`,
  '--pid host --ipc host --uts host --userns host busybox',
  '--pid container:abc --ipc container:abc --ipc shareable busybox',
  '--group-add 10 --group-add audio busybox',
  '--ulimit nofile=1024:2048 --ulimit nproc=10 --ulimit core=-1 busybox',
  '--ulimit core=0:-1 busybox',
  '--sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=10 busybox',
  '--restart always busybox',
  '--restart on-failure:3 busybox',
  '--restart unless-stopped --stop-signal SIGINT --stop-timeout 5 busybox',
  '--log-driver json-file --log-opt max-size=1m --log-opt flag busybox',
  '--log-driver none busybox',
  '--storage-opt size=1g --runtime runc --isolation default busybox',
  '--init busybox',
  '--init=false busybox',
  '--health-cmd true --health-interval 5s --health-retries 3 --health-timeout 1m busybox',
  '--health-start-period 1h30m --health-start-interval 500ms busybox',
  '--no-healthcheck busybox',
  '--network host busybox',
  '--network none busybox',
  '--net mine --network-alias a --ip 10.0.0.2 --ip6 ::2 --link-local-ip 169.254.1.1 busybox',
  '--network name=mine,alias=a,ip=10.0.0.2,gw-priority=5,driver-opt=a=B --network two busybox',
  '--network mine --link a:b --link c busybox',
  '--link a:b busybox',
  '--network mine --mac-address 02:42:ac:11:00:02 busybox',
  '--mac-address 02-42-ac-11-00-02 busybox',
  '--network container:abc busybox',
  '--dns 8.8.8.8 --dns ::1 --dns-option ndots:2 --dns-opt x --dns-search example.com busybox',
  '--dns-search . busybox',
  '--add-host a:1.2.3.4 --add-host b=::1 --add-host c:host-gateway --add-host d:[::1] busybox',
  '--volumes-from a --volumes-from b:ro --volume-driver local busybox',
  '--annotation a=b --annotation c=d busybox',
  '--network bridge --link a:b busybox',
  '--network bridge --ip 172.17.0.9 busybox',
  '--network none --mac-address 02:42:ac:11:00:02 busybox',
  '--network default busybox',
  '--network host --link a:b busybox',
  '--add-host a:[1.2.3.4] busybox',
  '-v / -v a: busybox',
  '--privileged=false --rm=true -t=true -i=0 busybox',
  '-- busybox -x',
  '--platform linux/amd64 --pull never -q busybox:1.36 a',
  '--ip foo busybox',
];

/** Command lines that docker itself refuses; the first line of its text must be ours. */
const REFUSED: readonly string[] = [
  '--foo busybox',
  '-y busybox',
  '-m',
  '-m abc busybox',
  '--memory= busybox',
  '--pids-limit x busybox',
  '--pids-limit 99999999999999999999 busybox',
  '--blkio-weight 99999 busybox',
  '--blkio-weight -1 busybox',
  '--blkio-weight-device /dev/sda:5 busybox',
  '--blkio-weight-device sda:100 busybox',
  '--cpus x busybox',
  '--cpus 1.0000000001 busybox',
  '-t=foo busybox',
  '--rm --restart always busybox',
  '--restart :3 busybox',
  '--restart on-failure:x busybox',
  '-p 99999:80 busybox',
  '-p foo busybox',
  '-p 80: busybox',
  '-p 80-81:80-85 busybox',
  '-p 80/foo busybox',
  '-p 85-80 busybox',
  '-p 1.2.3:80:80 busybox',
  '-p a=b,c busybox',
  '--expose foo busybox',
  '--expose 1:2 busybox',
  '--expose 9-8 busybox',
  '--mount type=volume,foo=1 busybox',
  '--mount foo busybox',
  '--mount type=bind,dst=/x,tmpfs-size=1m busybox',
  '--mount type=tmpfs,dst=/x,bind-propagation=shared busybox',
  '--mount type=bind,dst=/x,volume-nocopy busybox',
  '--mount type=volume,dst=/x,image-subpath=a busybox',
  '--mount readonly=x busybox',
  '--mount type=tmpfs,tmpfs-size=x busybox',
  '--mount type=tmpfs,tmpfs-mode=9 busybox',
  '--mount type=bind,bind-recursive=foo busybox',
  '--mount type=bind,dst=/x,bind-recursive=writable busybox',
  '--mount type=bind,dst=/x,bind-recursive=readonly,ro busybox',
  '--mount type= busybox',
  '--mount a"b busybox',
  '--env-file /does/not/exist busybox',
  `--env-file ${badEnvFile} busybox`,
  '--label-file /does/not/exist busybox',
  '--ulimit foo busybox',
  '--ulimit foo=1 busybox',
  '--ulimit nofile=2:1 busybox',
  '--ulimit nofile=1:2:3 busybox',
  '--ulimit nofile=x busybox',
  '--ulimit nofile=-1:5 busybox',
  '--pid foo busybox',
  '--pid container: busybox',
  '--uts foo busybox',
  '--userns foo busybox',
  '--cgroupns foo busybox',
  '--security-opt foo busybox',
  '--security-opt label= busybox',
  '--security-opt seccomp=/does/not/exist busybox',
  '--device foo:bar:baz busybox',
  '--device a:b:c:d busybox',
  '--device foo busybox',
  '--device :x busybox',
  '--add-host foo busybox',
  '--add-host a:b busybox',
  '--add-host a:[x] busybox',
  '--dns foo busybox',
  '--dns-search = busybox',
  '-a foo busybox',
  '--memory-swappiness 200 busybox',
  '--health-interval 1 busybox',
  '--health-interval 1x busybox',
  '--health-interval foo busybox',
  '--health-interval -1s busybox',
  '--health-retries -1 busybox',
  '--no-healthcheck --health-cmd x busybox',
  '--sysctl foo busybox',
  '--sysctl kernel.shmall busybox',
  '--device-read-bps foo busybox',
  '--device-read-bps sda:1 busybox',
  '--device-read-bps /dev/sda:x busybox',
  '--device-write-iops /dev/sda:1m busybox',
  '--device-cgroup-rule foo busybox',
  '-l = busybox',
  '-e = busybox',
  '-e= busybox',
  '--mount type=bind busybox',
  '--link a:b:c busybox',
  '--mac-address foo busybox',
  '--network name=foo,bar busybox',
  '--network name=foo,x=y busybox',
  '--network alias=foo busybox',
  '--network name=a,gw-priority=x busybox',
  '--network name=a,mac-address=x busybox',
  '--network a --network a busybox',
  '--network a --network host busybox',
  '--network-alias a busybox',
  '--network name=a,alias=x --network-alias y busybox',
  '--network name=a,ip=10.0.0.1 --ip 10.0.0.2 busybox',
  '--log-driver none --log-opt a=b busybox',
  '--storage-opt foo busybox',
  '-v name::b busybox',
  '-v name:/bb: busybox',
  '-v name:/bb:ro:/cc busybox',
];

let server: Server;
const recorded: string[] = [];
const missing = spawnSync('docker', ['--version']).error !== undefined;
const skip = missing ? 'no docker CLI on PATH to compare with' : false;

before(async () => {
  writeFileSync(envFile, '# comment\nX=1\n  Y=two words\nPATH\nUNSET_VARIABLE\n\nQ="q"\n');
  writeFileSync(labelFile, 'one=1\ntwo\n');
  writeFileSync(profile, '{ "defaultAction": "SCMP_ACT_ALLOW",\n "syscalls": [] }');
  writeFileSync(badEnvFile, 'a b=c\n');
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += String(piece);
    });
    request.on('end', () => {
      response.setHeader('Api-Version', '1.51');
      response.setHeader('Ostype', 'linux');
      response.setHeader('Content-Type', 'application/json');
      if (request.url?.includes('/containers/create') === true) recorded.push(body);
      response.end('{"Id":"0123","Warnings":[]}');
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});

after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

function words(line: string): string[] {
  return line.split(' ').map((word) => word.replaceAll('_r', ' r').replaceAll('c_', 'c '));
}

function docker(line: string): Promise<{ code: number | null; stderr: string }> {
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}` };
  const child = spawn('docker', ['create', ...words(line)], { env });
  let stderr = '';
  child.stderr.on('data', (piece) => {
    stderr += String(piece);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
}

function ours(line: string): unknown {
  const { flags, args } = parseFlags(CREATE_FLAGS, words(line), { interspersed: false });
  return planCreate(flags, args[0] ?? '', args.slice(1));
}

/** Docker goes through Go maps here, so the order is chance. */
function ordered(body: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(body)) as {
    Env: string[] | null;
    HostConfig: { Binds: string[] | null; Ulimits: { Name: string }[] };
  };
  copy.Env?.sort();
  copy.HostConfig.Binds?.sort();
  copy.HostConfig.Ulimits.sort((a, b) => (a.Name < b.Name ? -1 : 1));
  return copy;
}

for (const line of SENT) {
  test(`create ${line}: the body is docker's`, { skip }, async () => {
    recorded.length = 0;
    const { code, stderr } = await docker(line);
    assert.equal(code, 0, stderr);
    assert.deepEqual(ordered(ours(line)), ordered(JSON.parse(recorded[0] ?? 'null')));
  });
}

for (const line of REFUSED) {
  test(`create ${line}: refused in docker's words`, { skip }, async () => {
    const { code, stderr } = await docker(line);
    assert.notEqual(code, 0);
    const expected = (stderr.split('\n')[0] ?? '').replace(/^docker: /, '');
    let text = 'accepted';
    try {
      ours(line);
    } catch (error) {
      text = messageOf(error);
    }
    assert.equal(text.split('\n')[0], expected);
  });
}
