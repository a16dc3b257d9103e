// Verbs of containers that run, as lines of shell.
import type { Table } from './row.ts';

export const LIVES: Table = {
  'container exec': [
    'docker run -d --name ex -e BASE=1 busybox sleep 99 | wc -c',
    'docker exec ex sh -c "exit 7"',
    {
      run: 'docker exec ex nosuch',
      differs: '127 since 25',
    },
    {
      run: 'docker exec ex /no/such',
      differs: '127 since 25',
    },
    'docker exec ex /etc',
    'docker exec -e A=b -w /tmp -u 7:8 ex sh -c "echo \\$BASE \\$A; pwd; id"',
    'echo A=file > env; docker exec --env-file env ex sh -c "echo \\$A"',
    'echo in | docker exec -i ex cat; echo in | docker exec ex cat',
    {
      run: 'docker exec -u nosuch ex true; docker exec -w rel ex true; docker exec -w /no/such ex true',
      differs: '127 since 25',
    },
    {
      run: 'docker exec -t ex tty; docker exec --privileged ex grep CapEff /proc/self/status; docker exec ex grep CapEff /proc/self/status',
      differs: 'the same',
    },
    'docker exec -d ex sh -c "echo d > /tmp/d"; sleep 0.3; docker exec ex cat /tmp/d; docker exec -d ex nosuch',
    'docker exec ex; docker exec nosuch true; docker exec -d -t --detach-keys "ctrl-x" ex true; docker exec --detach-keys foo-x -d ex true',
    'docker exec ex sh -c "kill -9 \\$\\$"; docker inspect -f "{{.ExecIDs}}" ex',
    'docker top ex -o comm,args; docker top ex -e -o user,pid,args | cut -c 1-4; docker top ex | head -1; docker top ex aux | wc -l; docker top ex -Z--; docker top nosuch',
    'docker stats --no-stream --format "{{.Name}} {{.MemUsage}}" ex | sed "s/[0-9.]*[KM]iB/N/g"; docker stats --no-stream nosuch; true',
    'docker diff ex; docker diff nosuch',
    'docker rm -f ex; docker create --name st busybox | wc -c; docker stats --no-stream --format "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}" st; docker rm st',
  ],
  'container logs': [
    'docker run --name lg -l team=x -e WHO=me --log-opt labels=team --log-opt env=WHO busybox sh -c "for i in 1 2 3; do echo out\\$i; sleep 0.1; echo err\\$i >&2; sleep 0.1; done; printf end"',
    'docker logs lg; docker logs lg 2>/dev/null',
    'docker logs -n 1 lg; docker logs --tail 2 lg 2>&1 | sort; docker logs --tail all lg 2>&1 | wc -l; docker logs --tail 0 lg; docker logs --tail -5 lg 2>&1 | wc -l; docker logs --tail x lg 2>&1 | wc -l',
    'docker logs -t lg 2>/dev/null',
    'docker logs --details lg 2>/dev/null',
    'docker logs -f --since 1h --until 1s lg 2>&1 | wc -l; docker logs --since 2100-01-01 lg; docker logs --until 2000-01-01 lg; docker logs --since x lg',
    'docker logs nosuch; docker rm lg',
    'docker run --name ln --log-driver none busybox echo x; docker logs ln; docker rm ln',
    'docker run --name ll --log-driver local --log-opt max-size=1m --log-opt max-file=2 busybox echo x; docker logs ll; docker inspect -f "{{json .HostConfig.LogConfig}} {{.LogPath}}" ll; docker rm ll',
    'docker run -d --name fo busybox sh -c "echo 1; sleep 0.3; echo 2" | wc -c; docker logs -f fo; docker rm fo',
    'docker run --name tt -t busybox echo tty; docker logs tt; docker rm tt',
    {
      run: 'docker run --rm --log-driver syslog --log-opt nosuch=1 busybox true; docker run --rm --log-driver local --log-opt max-file=0 busybox true; docker run --rm --log-opt max-file=x busybox true; docker run --rm --log-opt mode=foo busybox true; docker run --rm --log-opt mode=non-blocking --log-opt max-buffer-size=1m busybox echo y',
      differs: 'found when the container is made; max-file of local is checked by itself',
      same: 'code',
    },
  ],
  'container attach': [
    'docker run -d --name at -i busybox sh | wc -c; (echo "echo hello"; sleep 0.3; echo exit 3) | docker attach at | cat; docker rm at',
    'docker run -d --name an busybox sh -c "sleep 0.6; echo later; exit 4" | wc -c; docker attach --no-stdin an; docker attach an; docker attach nosuch; docker rm an',
    'docker run -dit --name ak busybox sh | wc -c; (sleep 0.5; printf "echo \\$((6*7))\\n"; sleep 0.3; printf "\\020\\021") | script -qec "docker attach ak" /dev/null | tr -d "\\r" | grep -c -E "^42|escape"; docker inspect -f "{{.State.Status}}" ak; docker attach --detach-keys "x-y" ak; docker rm -f ak',
    'docker run -d --name sp busybox sh -c "trap \\"exit 9\\" TERM; while :; do sleep 0.05; done" | wc -c; sleep 0.3; docker attach sp & P=$!; sleep 0.5; kill -TERM $P; wait $P; echo $?; docker wait sp; docker rm sp',
  ],
  'restart policies': [
    'docker run -d --name of --restart on-failure:2 busybox sh -c "exit 3" | wc -c; for i in $(seq 50); do docker ps -a -f name=of -f status=exited --format {{.Names}} | grep -q of && test $(docker inspect -f {{.RestartCount}} of) = 2 && break; sleep 0.2; done; docker inspect -f "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}" of; docker rm of',
    'docker run -d --name al --restart always busybox sh -c "exit 0" | wc -c; sleep 1; docker stop al; docker inspect -f "{{.State.Status}} {{.State.ExitCode}} {{.State.Restarting}}" al; docker rm al',
    'docker run -d --name us --restart unless-stopped busybox sleep 99 | wc -c; docker kill us; sleep 1; docker inspect -f "{{.State.Status}} {{.RestartCount}}" us; docker rm -f us',
    'docker run -d --name ok --restart on-failure busybox true | wc -c; docker wait ok; docker inspect -f "{{.RestartCount}} {{.State.Status}}" ok; docker rm ok',
  ],
  'health checks': [
    'docker run -d --name hc --health-cmd "echo probe; test -e /ok" --health-interval 400ms --health-retries 2 --health-timeout 5s --health-start-period 0s busybox sleep 99 | wc -c; docker inspect -f "{{json .State.Health}}" hc; docker ps -f name=hc --format "{{.Status}}"',
    'for i in $(seq 50); do docker ps -f name=hc | grep -q unhealthy && break; sleep 0.2; done; docker inspect -f "{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}} {{json (index .State.Health.Log 0).Output}}" hc; docker ps -f name=hc --format "{{.Status}}"; docker ps -a -f name=hc -f health=unhealthy --format "{{.Names}}"',
    'docker exec hc touch /ok; for i in 1 2 3 4 5 6 7 8 9; do docker ps -f name=hc | grep -q "(healthy" && break; sleep 0.2; done; docker inspect -f "{{.State.Health.Status}} {{.State.Health.FailingStreak}}" hc; docker ps -f name=hc --format "{{.Status}}"; docker inspect -f "{{json .Config.Healthcheck}}" hc',
    'docker stop -t 0 hc; docker inspect -f "{{.State.Health.Status}}" hc; docker ps -af name=hc --format "{{.Status}}"; docker rm hc',
    'docker create --name hn --no-healthcheck busybox | wc -c; docker inspect -f "{{json .Config.Healthcheck}} {{json .State.Health}}" hn; docker rm hn',
    'docker create --name hz --health-cmd "true" busybox | wc -c; docker inspect -f "{{json .Config.Healthcheck}} {{json .State.Health}}" hz; docker rm hz',
  ],
  'links, namespaces of others, volumes of others': [
    'docker run -d --name db -e PASS=x -p 5432 --expose 5433 busybox sleep 99 | wc -c',
    'docker run --rm --link db:data busybox sh -c "env | grep DATA_ | sort; grep data /etc/hosts"',
    'docker run --name lk -d --link db:data --link db busybox sleep 99 | wc -c; docker inspect -f "{{json .HostConfig.Links}}" lk; docker ps --no-trunc --format "{{.Names}}" | grep -E "db|lk"; docker rm --link /lk/data; docker inspect -f "{{json .HostConfig.Links}}" lk',
    'docker run --rm --pid container:db --ipc container:db --network container:db busybox ps -o args | head -2',
    'docker run --rm --ipc container:lk busybox true; docker run --rm --uts host --pid host --network host busybox true',
    'docker run --name vf -v /shared busybox sh -c "echo s > /shared/f"; docker run --rm --volumes-from vf:ro busybox sh -c "cat /shared/f; touch /shared/g"; docker rm -v vf; docker rm -f lk db',
  ],
};
