// Looks about once a second whether others changed the rules of the host (a flush, a reload of
// firewalld) and puts ours back. Nothing of others is touched. While nobody changes anything it
// costs one message to the kernel.
import type { Log } from '#base/log.ts';
import type { Firewall } from '#kernel/netfilter/firewall.ts';

const LOOK_MS = 1000;
/** Two programs that both repair must not do it for ever at full speed. */
const LOOK_MS_MAX = 60_000;
const NAMED_MAX = 5;

export class RuleWatch {
  readonly #firewall: Pick<Firewall, 'check'>;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = LOOK_MS;
  #warned = '';

  constructor(firewall: Pick<Firewall, 'check'>, log: Log) {
    this.#firewall = firewall;
    this.#log = log;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#delayMs = LOOK_MS;
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    const timer = setTimeout(() => {
      void this.#look().finally(() => {
        // Stopped, or stopped and started again, meanwhile: then this is not the one that goes on.
        if (this.#timer === timer) this.#wait();
      });
    }, this.#delayMs);
    timer.unref();
    this.#timer = timer;
  }

  async #look(): Promise<void> {
    try {
      const found = await this.#firewall.check();
      if (found === undefined || found.ok) this.#delayMs = LOOK_MS;
      else {
        this.#delayMs = Math.min(this.#delayMs * 2, LOOK_MS_MAX);
        this.#log.warn('somebody changed our firewall rules: they are restored', {
          missing: found.missing.length,
          unexpected: found.unexpected.length,
          some: [...found.missing, ...found.unexpected].slice(0, NAMED_MAX),
        });
      }
      const warnings = found?.warnings.join('; ') ?? this.#warned;
      if (warnings !== this.#warned && warnings !== '') {
        this.#log.warn('rules of others drop what containers send', { rules: warnings });
      }
      this.#warned = warnings;
    } catch (error) {
      this.#delayMs = Math.min(this.#delayMs * 2, LOOK_MS_MAX);
      this.#log.warn('cannot check the firewall rules, ignoring', { error });
    }
  }
}
