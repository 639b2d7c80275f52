// Names modules by their place in this folder: numbers would depend on where the folder is.
module.exports = { optimization: { moduleIds: 'named' } };
