/* Schedule: in the toolbar of a notebook, in the palette and in the file browser's context menu.
 * A container of module federation, written by hand: it needs no build, and takes Lab's own modules. */
(() => {
  const PAGE = "couture/notebook-schedules/new";
  const COMMAND = "couture:schedule-notebook";
  let shared = {};

  const load = async (name) => {
    const versions = shared[name];
    const newest = Object.keys(versions).sort((one, other) => one.localeCompare(other, undefined, { numeric: true })).at(-1);
    return (await versions[newest].get())();
  };

  const make = async () => {
    const { INotebookTracker } = await load("@jupyterlab/notebook");
    const { ICommandPalette, IFrame, MainAreaWidget, ToolbarButton } = await load("@jupyterlab/apputils");
    const { IDefaultFileBrowser } = await load("@jupyterlab/filebrowser");
    const { PageConfig } = await load("@jupyterlab/coreutils");
    /* Below Airflow's own address: what comes before "jupyter/" in Lab's; a JupyterHub has its servers below "user/". */
    const root = PageConfig.getBaseUrl().replace(/jupyter\/(user\/)?[^/]+\/$/, "");

    const activate = (app, tracker, palette, browser) => {
      const selected = () => [...(browser?.selectedItems() ?? [])].find((item) => item.type === "notebook");

      const open = (path) => {
        const content = new IFrame({
          sandbox: ["allow-same-origin", "allow-scripts", "allow-forms", "allow-modals", "allow-popups", "allow-downloads"],
        });
        content.url = `${root}${PAGE}?path=${encodeURIComponent(path)}`;
        content.title.label = `Schedule ${path.split("/").pop()}`;
        content.title.closable = true;
        app.shell.add(new MainAreaWidget({ content }), "main", { mode: "split-right" });
      };

      app.commands.addCommand(COMMAND, {
        label: "Schedule Notebook…",
        caption: "Run this notebook on a schedule",
        isEnabled: (args) => (args.file ? selected() !== undefined : tracker.currentWidget !== null),
        execute: async (args) => {
          if (args.file) {
            const item = selected();
            if (item) open(item.path);
            return;
          }
          const panel = tracker.currentWidget;
          if (!panel) return;
          if (panel.context.model.dirty) await panel.context.save();
          open(panel.context.path);
        },
      });
      palette?.addItem({ command: COMMAND, category: "Notebook Operations" });
      app.contextMenu.addItem({
        command: COMMAND,
        args: { file: true },
        selector: '.jp-DirListing-item[data-file-type="notebook"]',
        rank: 4,
      });
      app.docRegistry.addWidgetExtension("Notebook", {
        createNew: (panel) => {
          const button = new ToolbarButton({
            className: "couture-schedule",
            label: "Schedule",
            tooltip: "Run this notebook on a schedule",
            onClick: () => app.commands.execute(COMMAND),
          });
          panel.toolbar.insertItem(10, "coutureSchedule", button);
          return button;
        },
      });
    };
    return {
      id: "couture-lab:schedule",
      autoStart: true,
      requires: [INotebookTracker],
      optional: [ICommandPalette, IDefaultFileBrowser],
      activate,
    };
  };

  (window._JUPYTERLAB ??= {})["couture-lab"] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const plugin = await make();
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
