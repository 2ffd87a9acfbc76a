/** Prompt versions side by side. */

import type { CursorPage, List } from "../pagination.js";
import type { Assignment, Choice, Experiment, Measures, NewExperiment, Pair, WholeExperiment } from "../operations.js";
import { path, type RequestOptions } from "../transport.js";
import type { AppRef, CursorArgs } from "../types.js";
import { appPath, fields, Resource } from "./resource.js";

type ExperimentRef = AppRef & { experimentId: string };
type Reason = { reason?: string };

/** For operators' keys. */
export class Experiments extends Resource {
  list(args: AppRef & CursorArgs, options?: RequestOptions): List<Experiment, CursorPage<Experiment>> {
    return this.cursors(`${appPath(args)}/experiments`, args, options);
  }

  create(args: AppRef & NewExperiment, options?: RequestOptions): Promise<WholeExperiment> {
    return this.write("POST", `${appPath(args)}/experiments`, { body: fields(args) }, options);
  }

  get(args: ExperimentRef, options?: RequestOptions): Promise<WholeExperiment> {
    return this.read(experimentPath(args), {}, options);
  }

  start(args: ExperimentRef & Reason, options?: RequestOptions): Promise<WholeExperiment> {
    return this.#act("start", args, options);
  }

  ramp(args: ExperimentRef & Reason & { arm: string; share: number }, options?: RequestOptions): Promise<WholeExperiment> {
    return this.#act("ramp", args, options);
  }

  pause(args: ExperimentRef & Reason & { arm?: string }, options?: RequestOptions): Promise<WholeExperiment> {
    return this.#act("pause", args, options);
  }

  resume(args: ExperimentRef & Reason & { arm?: string }, options?: RequestOptions): Promise<WholeExperiment> {
    return this.#act("resume", args, options);
  }

  stop(args: ExperimentRef & Reason, options?: RequestOptions): Promise<WholeExperiment> {
    return this.#act("stop", args, options);
  }

  promote(args: ExperimentRef & { arm: string; reason: string }, options?: RequestOptions): Promise<WholeExperiment> {
    return this.#act("promote", args, options);
  }

  measures(args: ExperimentRef, options?: RequestOptions): Promise<Measures> {
    return this.read(`${experimentPath(args)}/measures`, {}, options);
  }

  /** Return which arm a subject falls to. */
  assignment(
    args: ExperimentRef & { user?: string; session?: string; project?: string; observer?: string },
    options?: RequestOptions,
  ): Promise<Assignment> {
    return this.read(`${experimentPath(args)}/assignment`, fields(args, "experimentId"), options);
  }

  /** Return two versions to judge between, without saying which is whose. */
  nextPair(args: ExperimentRef & { arm: string }, options?: RequestOptions): Promise<{ pair: Pair | null }> {
    return this.read(`${experimentPath(args)}/pairs`, { arm: args.arm }, options);
  }

  /** Say which of a pair is better. */
  choose(args: ExperimentRef & Choice, options?: RequestOptions): Promise<{ id: string }> {
    return this.write("POST", `${experimentPath(args)}/pairs`, { body: fields(args, "experimentId") }, options);
  }

  #act(act: string, args: ExperimentRef, options?: RequestOptions): Promise<WholeExperiment> {
    return this.write("POST", `${experimentPath(args)}/${act}`, { body: fields(args, "experimentId") }, options);
  }
}

function experimentPath(ref: ExperimentRef): string {
  return appPath(ref) + path`/experiments/${ref.experimentId}`;
}
