// The page for redrawing cells inside a Jupyter widget.
export default {
  render({ model, el }) {
    const root = document.createElement('div');
    root.style.height = model.get('height') + 'px';
    el.append(root);
    let waiting = 0;
    const send = (document_) => { model.set('changes', document_); model.save_changes(); };
    const editor = mount(root, model.get('data'), {
      saved: send,
      changed: (plan) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => send(plan.changes()), 150);
      },
    });
    const drawn = model.get('changes');
    if (drawn && drawn.schema) editor.open(JSON.stringify(drawn));
    root.gridmapEditor = editor;
    return () => clearTimeout(waiting);
  },
};
