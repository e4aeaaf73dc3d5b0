document.documentElement.dataset.theme = (window.parent.document.documentElement.classList.contains("dark")) ? "dark" : "light";
