/* Questions to the server while somebody types. An answer that comes late never takes the place of a newer one. */

import { ApiError } from "./api.js";

/**
 * `ask()` calls the server; `show(answer)` gets the answer to the newest question alone, `failed(error)` its refusal.
 * soon() asks after a pause in typing, now() at once; now() resolves to the answer, to null if there is none or a newer one.
 */
export class Question {
  #asked = 0;
  #timer = 0;

  constructor({ ask, show, failed = () => {}, pause = 300 }) {
    Object.assign(this, { ask, show, failed, pause });
  }

  soon() {
    this.forget();
    this.#timer = setTimeout(() => this.now(), this.pause);
  }

  /** What was asked is no longer of interest. */
  forget() {
    clearTimeout(this.#timer);
    this.#asked += 1;
  }

  async now() {
    this.forget();
    const mine = this.#asked;
    try {
      const answer = await this.ask();
      if (mine !== this.#asked) return null;
      this.show(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine === this.#asked) this.failed(error);
      return null;
    }
  }
}
