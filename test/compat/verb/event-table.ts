// Orders of events: what a line of shell makes the engine tell.
import type { Table } from './row.ts';

/** Each is followed by what `docker events` told meanwhile. */
export const EVENTS: Table = {
  'events: orders': [
    'docker run --name e1 busybox true; docker rm e1',
    'docker run --rm --name e2 busybox sh -c "exit 3"',
    'docker run -d --name e3 busybox sh -c "trap \\"exit 0\\" TERM; echo ready; while :; do sleep 0.05; done"; ready e3; docker stop e3; docker start e3; ready e3 2; docker restart e3; ready e3 3; docker kill e3; docker rm e3',
    'docker run -d --name e4 busybox sleep 99; docker stop -t 1 e4; docker start e4; docker rm -f e4',
    {
      run: 'docker run -d --name e5 busybox sleep 99; docker pause e5; docker unpause e5; docker rename e5 e6; docker update --cpu-shares 7 e6; docker exec e6 true; docker exec e6 nosuch; docker top e6 >/dev/null; docker cp e6:/etc/passwd p; docker cp p e6:/tmp; docker export e6 >/dev/null; docker commit e6 evt:1; docker tag evt:1 evt:2; docker rmi evt:1 evt:2; docker rm -f e6',
      differs: 'a container is thawed as soon as its files are read, before there is an image',
      same: 'code',
    },
    'docker run -d --name e7 --restart on-failure:1 busybox sh -c "exit 1"; until_ok sh -c "docker inspect -f \\"{{.State.Status}} {{.RestartCount}}\\" e7 | grep \\"exited 1\\""; docker rm e7',
    {
      run: 'docker network create en; docker run -d --name e9 --network none busybox sleep 99; docker network create en2; docker run -d --name e10 --network en busybox sleep 99; docker network connect en2 e10; docker network disconnect en2 e10; docker rm -f e9 e10; docker network rm en en2',
      differs: '20.10 tells of one disconnect twice',
      same: 'code',
    },
    {
      run: 'docker volume create ev; docker run --rm --name e11 -v ev:/v -v /anon busybox true; docker volume rm ev',
      differs: '20.10 tells of an anonymous volume twice; networks are connected last',
      same: 'code',
    },
    'docker create --name e12 busybox nosuch; docker start e12; docker rm e12; docker run --rm --name e13 busybox nosuch',
    // A child: dockerd hears of it and of an end by two ways, and tells them in any order.
    'mkdir e14; docker run -d --name e14 -m 16m --memory-swap 16m -v $PWD/e14:/d busybox sh -c "until test -e /d/go; do sleep 0.05; done; (x=a; while :; do x=\\$x\\$x; done); sleep 99"; touch e14/go; until_ok sh -c "docker events --since 1m --until 0s -f event=oom -f container=e14 | grep oom"; docker kill e14; docker wait e14; docker inspect -f "{{.State.OOMKilled}}" e14; docker rm e14',
    'docker tag busybox en:1; docker save en:1 > en.tar; docker rmi en:1; docker load -q -i en.tar; docker rmi en:1; mkdir -p ei; tar -C ei -cf ei.tar .; docker import ei.tar ei:1; docker rmi ei:1',
    'docker run -d --name e15 --health-cmd true --health-interval 3s busybox sleep 99; until_ok sh -c "docker ps -f name=e15 | grep \\"(healthy\\""; docker rm -f e15',
    'docker container prune -f; docker image prune -f; docker network prune -f; docker volume prune -f',
  ],
};
