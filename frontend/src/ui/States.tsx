/** What stands where a picture, a chart or everything is missing: why, and what to do. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

/** What comes sooner is not announced: words that flash by only unsettle. */
const PATIENCE_MS = 200;

export function Loading({ what }: { what: string }) {
  const isLate = useSignal(false);
  useEffect(() => {
    const timer = setTimeout(() => (isLate.value = true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p class="state" role="status">
      {isLate.value ? `Loading ${what}…` : "\u00a0"}
    </p>
  );
}

export function Failure({ message, retry }: { message: string; retry?: () => void }) {
  return (
    <div class="state failure" role="alert">
      <p>{message}</p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Something is missing in one view: what, and the code that logs it. */
export function Nothing({ title, code, children }: { title: string; code?: string; children?: ComponentChildren }) {
  return (
    <div class="state">
      <p>
        <b>{title}</b>
      </p>
      {children}
      {code && <Code text={code} />}
    </div>
  );
}

const THREE_LINES = `import tb_featuremap_plugin as fm
callback = fm.keras.FeatureMapCallback("logs", probe=x_train[:16], every=100)
model.fit(x_train, y_train, callbacks=[callback])`;

const TORCH_LINES = `import tb_featuremap_plugin as fm
watcher = fm.torch.watch(model, "logs", probe=images[:16])
watcher.step(loss)  # after optimizer.step()`;

export function EmptyState() {
  return (
    <Nothing title="No feature maps are logged here yet">
      <p>Three lines log the feature maps, the filters and the weight change of every layer:</p>
      <p class="muted">Keras</p>
      <Code text={THREE_LINES} />
      <p class="muted">PyTorch</p>
      <Code text={TORCH_LINES} />
      <p>
        If something was logged, <code>tb-featuremap doctor LOGDIR</code> says why it is not shown.
      </p>
    </Nothing>
  );
}

function Code({ text }: { text: string }) {
  return (
    <div class="code">
      <pre>{text}</pre>
      <button type="button" onClick={() => void navigator.clipboard?.writeText(text)}>
        Copy
      </button>
    </div>
  );
}
