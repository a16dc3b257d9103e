// The host's resolv.conf, read again only when it changed: every start asks for it, and every query
// that goes upstream, so that a host that changed its network is followed at once.
import { readFileSync, statSync } from 'node:fs';
import {
  type HostFile,
  isSystemdStub,
  parseResolvConf,
  type ResolvConf,
  SYSTEMD_RESOLV_CONF,
} from '../dns/resolv-conf.ts';

export const RESOLV_CONF = '/etc/resolv.conf';
const EMPTY: ResolvConf = { servers: [], search: [], options: [] };

/**
 * What stat(2) says of a content: a file replaced by another of the same time has its own inode.
 */
function stampOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs}`;
}

class CachedFile {
  readonly path: string;
  #stamp: string | undefined;
  #conf: ResolvConf | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** undefined when the file cannot be read: a host without one has no servers, and no error. */
  read(): ResolvConf | undefined {
    try {
      const stamp = stampOf(this.path);
      if (stamp === undefined) return undefined;
      if (stamp !== this.#stamp || this.#conf === undefined) {
        this.#conf = parseResolvConf(readFileSync(this.path, 'utf8'));
        this.#stamp = stamp;
      }
      return this.#conf;
    } catch {
      return undefined;
    }
  }
}

export class HostResolvConf {
  readonly #file: CachedFile;
  readonly #behindStub: CachedFile;

  constructor(paths: { readonly file?: string; readonly behindStub?: string } = {}) {
    this.#file = new CachedFile(paths.file ?? RESOLV_CONF);
    this.#behindStub = new CachedFile(paths.behindStub ?? SYSTEMD_RESOLV_CONF);
  }

  /**
   * Past systemd's stub, whose search and options are the same, but whose server is our loopback.
   */
  read(): HostFile {
    const conf = this.#file.read() ?? EMPTY;
    if (!isSystemdStub(conf)) return { path: this.#file.path, conf };
    const behind = this.#behindStub.read();
    return behind === undefined
      ? { path: this.#file.path, conf }
      : { path: this.#behindStub.path, conf: behind };
  }
}
