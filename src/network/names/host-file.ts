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
/** More than this is no resolv.conf. */
const FILE_BYTES_MAX = 64 * 1024;

type Content = { readonly conf: ResolvConf; readonly text: string };

const EMPTY: Content = { conf: { servers: [], search: [], options: [] }, text: '' };

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
  #content: Content | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** undefined when the file cannot be read: a host without one has no servers, and no error. */
  read(): Content | undefined {
    try {
      const stamp = stampOf(this.path);
      if (stamp === undefined) return undefined;
      if (stamp !== this.#stamp || this.#content === undefined) {
        const text = readFileSync(this.path, 'utf8').slice(0, FILE_BYTES_MAX);
        this.#content = { conf: parseResolvConf(text), text };
        this.#stamp = stamp;
      }
      return this.#content;
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
  read(): HostFile & Content {
    const content = this.#file.read() ?? EMPTY;
    const behind = isSystemdStub(content.conf) ? this.#behindStub.read() : undefined;
    return behind === undefined
      ? { path: this.#file.path, ...content }
      : { path: this.#behindStub.path, ...behind };
  }
}
